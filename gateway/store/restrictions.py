"""Restrictions: what is to be put on accounts, or taken from them, until the homeserver has it.

A wish is written down with its entry in the audit before the homeserver is asked, so that a crash
or an outage only delays it.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.store.schema import restrictions


@dataclass(frozen=True, slots=True)
class Wish:
    """One restriction to put on an account, or to lift; `entry` in the audit says who wants it."""

    id: int
    account: str
    restriction: str
    lifts: bool
    tells: bool
    at: datetime
    entry: int


_COLUMNS = tuple(restrictions.c[name] for name in Wish.__slots__)
_OPEN = (restrictions.c.done_at.is_(None), restrictions.c.dropped_at.is_(None))


def wish(
    connection: Connection,
    account: str,
    restriction: str,
    entry: int,
    now: datetime,
    *,
    lifts: bool,
    tells: bool = False,
) -> None:
    """Want a restriction put on or lifted, in the place of what was wanted of it before."""
    r = restrictions.c
    connection.execute(
        restrictions.update()
        .where(r.account == account, r.restriction == restriction, *_OPEN)
        .values(dropped_at=now)
    )
    values = {
        "account": account,
        "restriction": restriction,
        "lifts": lifts,
        "tells": tells,
        "at": now,
        "entry": entry,
    }
    connection.execute(restrictions.insert().values(values))


def unfulfilled(connection: Connection, most: int = 100) -> list[Wish]:
    """What the homeserver has not done yet, oldest first."""
    query = select(*_COLUMNS).where(*_OPEN).order_by(restrictions.c.id).limit(most)
    return [Wish(*row) for row in connection.execute(query)]


def wanted(connection: Connection, account: str) -> list[str]:
    """The restrictions that are to be put on an account, and are not yet."""
    r = restrictions.c
    query = select(r.restriction).where(r.account == account, r.lifts.is_(False), *_OPEN)
    return list(connection.execute(query).scalars())


def of_entry(connection: Connection, entry: int) -> list[Wish]:
    """What one command wanted and the homeserver has not done yet."""
    query = select(*_COLUMNS).where(restrictions.c.entry == entry, *_OPEN)
    query = query.order_by(restrictions.c.id)
    return [Wish(*row) for row in connection.execute(query)]


def done(connection: Connection, wish_id: int, now: datetime) -> bool:
    """The homeserver did it; False when somebody said so before, or wants something else now."""
    r = restrictions.c
    moved = connection.execute(
        restrictions.update().where(r.id == wish_id, *_OPEN).values(done_at=now)
    )
    return moved.rowcount == 1


def want_again(connection: Connection, wish: Wish) -> None:
    """A wish was carried out that was dropped for a later one: that one has to be done once more.

    Nobody is mailed a second time.
    """
    r = restrictions.c
    later = (
        select(r.id)
        .where(r.account == wish.account, r.restriction == wish.restriction, r.id > wish.id)
        .order_by(r.id.desc())
        .limit(1)
    )
    connection.execute(
        restrictions.update()
        .where(r.id == later.scalar_subquery(), r.done_at.is_not(None))
        .values(done_at=None, tells=False)
    )


def drop(connection: Connection, wish_id: int, now: datetime) -> bool:
    """It cannot be done; False when somebody said so before."""
    r = restrictions.c
    moved = connection.execute(
        restrictions.update().where(r.id == wish_id, *_OPEN).values(dropped_at=now)
    )
    return moved.rowcount == 1
