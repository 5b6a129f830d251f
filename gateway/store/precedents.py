"""Precedents: earlier requests as a ban would find them, newest first and bounded in number."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.store.registrations import HOLDING, Status
from gateway.store.schema import registrations

GOOD = (Status.REGISTERED, Status.MAILED)
OPEN = (Status.REVIEW, Status.PENDING, Status.FAILED, Status.MAILED)  # without an account


@dataclass(frozen=True, slots=True)
class Precedent:
    """What bans look at of one request."""

    id: int
    name: str
    email: str
    email_key: str
    ip: str
    network: str


_COLUMNS = tuple(registrations.c[name] for name in Precedent.__slots__)


def newest(
    connection: Connection, statuses: Sequence[Status], since: datetime, most: int
) -> list[Precedent]:
    """The newest requests of some statuses that came since then."""
    r = registrations.c
    query = (
        select(*_COLUMNS)
        .where(r.status.in_(statuses), r.created_at >= since)
        .order_by(r.created_at.desc(), r.id.desc())
        .limit(most)
    )
    return [Precedent(*row) for row in connection.execute(query)]


@dataclass(frozen=True, slots=True)
class Holder:
    """The request that holds a name, and until when."""

    id: int
    until: datetime


def holder(connection: Connection, name: str, now: datetime) -> Holder | None:
    """Who holds a name."""
    r = registrations.c
    query = (
        select(r.id, r.held_until)
        .where(r.name == name, r.held_until > now, r.status.in_(HOLDING))
        .order_by(r.held_until.desc())
        .limit(1)
    )
    row = connection.execute(query).first()
    return None if row is None else Holder(*row)


def addresses_under(connection: Connection, name: str, most: int) -> list[str]:
    """The IP addresses from which somebody asked well for a name, newest first."""
    r = registrations.c
    query = (
        select(r.ip)
        .where(r.name == name, r.status.in_(GOOD), r.ip != "")
        .order_by(r.held_until.desc())
        .limit(most)
    )
    return list(connection.execute(query).scalars())
