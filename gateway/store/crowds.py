"""Crowds: which limits are used up for a request, asked in the transaction that decides on it."""

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    bindparam,
    func,
    literal_column,
    select,
)
from sqlalchemy.sql import Select

from gateway.rules.addresses import is_for_everybody
from gateway.rules.limits import Crowd, Limit, Limits, Scope
from gateway.store.columns import UtcDateTime
from gateway.store.prepared import Prepared
from gateway.store.registrations import Request, domain_of
from gateway.store.schema import mails, registrations

_COLUMNS = {
    Scope.EMAIL: registrations.c.email_key,
    Scope.DOMAIN: registrations.c.domain,
    Scope.IPV4: registrations.c.ip,
    Scope.NETWORK: registrations.c.network,
    Scope.IPV6_48: registrations.c.wide_network,
}


_NETWORKS = (Scope.IPV4, Scope.NETWORK, Scope.IPV6_48)  # of these refused requests count too


def used_up(connection: Connection, request: Request, now: datetime, limits: Limits) -> list[Crowd]:
    """The limits that have no room for one request more.

    Of a network every request counts, refused ones too. Of what anybody can type, a mailbox and a
    domain, and in all, only those count that were not refused: else whoever proves nothing could
    use up the limits of others.
    """
    whose = _whose(request)
    asked = [(scope, limit) for scope in whose for limit in limits.get(scope, ())]
    if not asked:
        return []
    values: dict[str, Any] = {"now": now}
    for place, (scope, limit) in enumerate(asked):
        values |= _values(place, whose[scope], limit, limit.count - 1, now)
    row = _statement(tuple(scope for scope, _ in asked)).first(connection, values)
    crowds = []
    for (scope, limit), full in zip(asked, row, strict=True):
        if full is not None or not limit.count:
            room_at = _room_at(connection, scope, whose[scope], limit, full, now)
            crowds.append(Crowd(scope, _words(scope, whose[scope]), limit, room_at))
    return crowds


def heard(connection: Connection, scope: Scope, whose: str, limit: Limit, now: datetime) -> int:
    """How many requests a limit counts at this moment."""
    query = _within(_is_of(scope, whose), now - limit.within, now)
    return int(connection.execute(select(func.count()).select_from(query.subquery())).scalar_one())


def mails_wait(connection: Connection, most: int) -> bool:
    """Whether so many mails are owed already."""
    return most == 0 or _QUEUED.first(connection, {"skip": most - 1}) is not None


def _whose(request: Request) -> Mapping[Scope, str]:
    """By what a request is counted, without what does not apply to it."""
    domain = domain_of(request.email_key)
    found = {
        Scope.EMAIL: request.email_key,
        Scope.DOMAIN: "" if is_for_everybody(domain) else domain,
        Scope.IPV4: "" if ":" in request.ip else request.ip,
        Scope.NETWORK: request.network,
        Scope.IPV6_48: request.wide_network or "",
        Scope.ALL: "all",
    }
    return {scope: value for scope, value in found.items() if value}


def _words(scope: Scope, whose: str) -> str:
    if scope is Scope.ALL:
        return "in all"
    return f"with addresses of {whose}" if scope is Scope.DOMAIN else f"from {whose}"


def _values(place: int, whose: str, limit: Limit, skip: int, now: datetime) -> dict[str, Any]:
    return {
        f"whose_{place}": whose,
        f"since_{place}": now - limit.within,
        f"skip_{place}": max(0, skip),
    }


def _room_at(
    connection: Connection, scope: Scope, whose: str, limit: Limit, full: str | None, now: datetime
) -> datetime:
    """When there is room again if nobody else asks meanwhile.

    `full` is the time of the oldest request that has to leave the span. Where a refused request
    counts, this one takes a place too, and the next older one has to leave.
    """
    if full is None or (limit.count == 1 and scope in _NETWORKS):
        return now + limit.within
    if scope in _NETWORKS:
        values = {"now": now} | _values(0, whose, limit, limit.count - 2, now)
        full = _statement((scope,)).first(connection, values)[0]
        assert full is not None
    return datetime.fromisoformat(full).replace(tzinfo=UTC) + limit.within


@cache  # building the statement anew costs more than running it
def _statement(scopes: tuple[Scope, ...]) -> Prepared:
    return Prepared(select(*(_newest(*each).scalar_subquery() for each in enumerate(scopes))))


def _newest(place: int, scope: Scope) -> Select[Any]:
    """The time of a request within the span, the newest first, after so many that are skipped."""
    since = bindparam(f"since_{place}", type_=UtcDateTime)
    query = _within(
        _is_of(scope, bindparam(f"whose_{place}")), since, bindparam("now", type_=UtcDateTime)
    )
    newest_first = query.order_by(registrations.c.created_at.desc())
    skip = bindparam(f"skip_{place}", type_=Integer)
    return newest_first.limit(literal_column("1")).offset(skip)


def _within(which: ColumnElement[bool], since: Any, now: Any) -> Select[Any]:
    r = registrations.c
    # A row from the future was written before the clock was set back: it must not jam the desk.
    return select(r.created_at).where(which, r.created_at > since, r.created_at <= now)


def _is_of(scope: Scope, whose: Any) -> ColumnElement[bool]:
    accepted = registrations.c.status != literal_column("'refused'")  # as the index says it
    if scope is Scope.ALL:
        return accepted
    found: ColumnElement[bool] = _COLUMNS[scope] == whose
    return found if scope in _NETWORKS else and_(found, accepted)


_QUEUED = Prepared(
    select(mails.c.id)
    .where(mails.c.status == literal_column("'queued'"))
    .limit(literal_column("1"))
    .offset(bindparam("skip", type_=Integer))
)
