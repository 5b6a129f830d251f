"""What weighs on the desk at this moment, counted for each challenge in one statement."""

from datetime import datetime

from sqlalchemy import ColumnElement, Connection, Integer, ScalarSelect, bindparam, func, select

from gateway.rules.effort import LATELY, MEMORY, Strain
from gateway.store.columns import UtcDateTime
from gateway.store.prepared import Prepared
from gateway.store.registrations import Status
from gateway.store.schema import registrations


def strain(connection: Connection, network: str, now: datetime, most: Strain) -> Strain:
    """Requests heard lately, and those refused from `network`; counted no further than `most`."""
    values = {
        "now": now,
        "lately": now - LATELY,
        "remembered": now - MEMORY,
        "network": network,
        "most_heard": most.heard,
        "most_refused": most.refused,
    }
    return Strain(*_STRAIN.first(connection, values))


def _statement() -> Prepared:
    r = registrations.c
    # Without coalesce SQLite would look through all refused requests for those of the network.
    refused = (r.network == bindparam("network"), func.coalesce(r.status, "") == Status.REFUSED)
    return Prepared(select(_count("heard", "lately"), _count("refused", "remembered", *refused)))


def _count(what: str, since: str, *which: ColumnElement[bool]) -> ScalarSelect[int]:
    r = registrations.c
    found = (
        select(r.id)
        .where(
            *which,
            r.created_at > bindparam(since, type_=UtcDateTime),
            r.created_at <= bindparam("now", type_=UtcDateTime),
        )
        .limit(bindparam(f"most_{what}", type_=Integer))
        .subquery()
    )
    return select(func.count()).select_from(found).scalar_subquery()


_STRAIN = _statement()
