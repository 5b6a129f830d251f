"""Accounts that appeared on the homeserver, and whether it is known whose they are.

Whoever hears of one records it: a look at the homeserver's list, a notice in its admin room, a name
that is taken all at once. The watcher settles it: it belongs to a request, or is told to the room.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.dialects.sqlite import insert

from gateway.rules.networks import neighbourhood, plain_address
from gateway.store.schema import accounts


@dataclass(frozen=True, slots=True)
class Sighting:
    """An account as it was seen; its name is the part of its id before the colon.

    `created_at`, `ip` and `network` (/24 or /64) are None where nobody told. It is of the request
    `registration_id`, and open until `settled_at`.
    """

    name: str
    created_at: datetime | None
    seen_at: datetime
    ip: str | None
    network: str | None
    registration_id: int | None
    settled_at: datetime | None

    @property
    def at(self) -> datetime:
        """When it was made, as far as it is known."""
        return self.created_at or self.seen_at


_COLUMNS = tuple(accounts.c[name] for name in Sighting.__slots__)


def seen(
    connection: Connection,
    name: str,
    now: datetime,
    created_at: datetime | None = None,
    ip: str | None = None,
) -> None:
    """Record an account, once; what a later word adds is added."""
    network = None if ip is None else _network(ip)
    told = {"created_at": created_at, "ip": None if network is None else ip, "network": network}
    added = insert(accounts).values(name=name, seen_at=now, **told)
    known = {key: func.coalesce(accounts.c[key], value) for key, value in told.items()}
    connection.execute(added.on_conflict_do_update(index_elements=["name"], set_=known))


def get(connection: Connection, name: str) -> Sighting | None:
    """One account, if it was seen."""
    return next(iter(_read(connection, accounts.c.name == name, most=1)), None)


def to_settle(connection: Connection, most: int) -> list[Sighting]:
    """Accounts of which nobody knows yet whose they are, oldest first."""
    query = select(*_COLUMNS).where(accounts.c.settled_at.is_(None))
    query = query.order_by(accounts.c.seen_at, accounts.c.name).limit(most)
    return [Sighting(*row) for row in connection.execute(query)]


def settle(
    connection: Connection, name: str, now: datetime, registration_id: int | None = None
) -> bool:
    """It is known whose an account is, or was told that it is not; False when it was before."""
    settled = connection.execute(
        accounts.update()
        .where(accounts.c.name == name, accounts.c.settled_at.is_(None))
        .values(settled_at=now, registration_id=registration_id)
    )
    return settled.rowcount == 1


def known(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those of the names that were seen already."""
    query = select(accounts.c.name).where(accounts.c.name.in_(names))
    return set(connection.execute(query).scalars())


def linked(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those of the names that are of a request, whatever name it asked for."""
    a = accounts.c
    query = select(a.name).where(a.name.in_(names), a.registration_id.is_not(None))
    return set(connection.execute(query).scalars())


def newest(connection: Connection, since: datetime | None, most: int) -> list[Sighting]:
    """Accounts that were seen since then, newest first."""
    since_then = [] if since is None else [accounts.c.seen_at >= since]
    return _read(connection, *since_then, most=most)


def near(connection: Connection, network: str, most: int) -> list[Sighting]:
    """Accounts that were opened from a network (/24 or /64), newest first."""
    return _read(connection, accounts.c.network == network, most=most)


def _read(connection: Connection, *which: ColumnElement[bool], most: int) -> list[Sighting]:
    query = select(*_COLUMNS).where(*which).order_by(accounts.c.seen_at.desc(), accounts.c.name)
    return [Sighting(*row) for row in connection.execute(query.limit(most))]


def _network(ip: str) -> str | None:
    """The neighbourhood of an address; none of what is no address."""
    try:
        return str(neighbourhood(plain_address(ip)))
    except ValueError:
        return None
