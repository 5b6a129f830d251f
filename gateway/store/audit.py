"""The audit: who did what, when and why. Rows are only ever added."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, or_, select

from gateway.store.schema import audit


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts: a Matrix user id, `terminal:NAME`, or `porter`; and by which Matrix event."""

    who: str
    event_id: str | None = None


PORTER = Author("porter")  # the desk itself


@dataclass(frozen=True, slots=True)
class Entry:
    """One action; `who` is its author, `undoes` the number of the entry that it takes back.

    `before` and `after` say how the subject stood, in words that `undo` can read back. Its number
    is 0 until it is written.
    """

    at: datetime
    who: str
    action: str
    subject: str
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    event_id: str | None = None
    undoes: int | None = None
    id: int = field(default=0, compare=False)


_COLUMNS = tuple(audit.c[name] for name in Entry.__slots__)
_WRITTEN = tuple(name for name in Entry.__slots__ if name != "id")


def write(connection: Connection, entry: Entry) -> int:
    """Add an entry, in the transaction of the action itself; returns its number."""
    values = {name: getattr(entry, name) for name in _WRITTEN}
    added = audit.insert().values(values).returning(audit.c.id)
    return int(connection.execute(added).scalar_one())


def note(
    connection: Connection,
    author: Author,
    action: str,
    subject: str,
    at: datetime,
    *,
    before: str | None = None,
    after: str | None = None,
    reason: str | None = None,
    undoes: int | None = None,
) -> int:
    """Write down what `author` did, in the transaction of the action itself; returns its number."""
    return write(
        connection,
        Entry(at, author.who, action, subject, before, after, reason, author.event_id, undoes),
    )


def search(
    connection: Connection, text: str = "", most: int = 20, *, before: int | None = None
) -> list[Entry]:
    """The newest entries of which any part contains `text`.

    `before` leaves out those with this number and later ones.
    """
    query = select(*_COLUMNS).order_by(audit.c.id.desc()).limit(most)
    if text:
        parts = ("who", "action", "subject", "before", "after", "reason")
        fields = [audit.c[part] for part in parts]
        query = query.where(or_(*(field.icontains(text, autoescape=True) for field in fields)))
    if before is not None:
        query = query.where(audit.c.id < before)
    return [Entry(*row) for row in connection.execute(query)]


def get(connection: Connection, number: int) -> Entry | None:
    """One entry."""
    row = connection.execute(select(*_COLUMNS).where(audit.c.id == number)).first()
    return None if row is None else Entry(*row)


def last(connection: Connection, action: str) -> Entry | None:
    """The newest entry of one action."""
    query = select(*_COLUMNS).where(audit.c.action == action).order_by(audit.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Entry(*row)


def of_event(connection: Connection, event_id: str) -> list[Entry]:
    """What was done because of one Matrix event, oldest first."""
    return _in_order(connection, audit.c.event_id == event_id)


def about(connection: Connection, subject: str, *, since: int = 0) -> list[Entry]:
    """What was done to one subject after the entry with the number `since`, oldest first."""
    return _in_order(connection, audit.c.subject == subject, audit.c.id > since)


def undoing(connection: Connection, number: int) -> Entry | None:
    """The entry that took this one back."""
    return next(iter(_in_order(connection, audit.c.undoes == number)), None)


def last_action(connection: Connection, who: str, actions: Sequence[str]) -> list[Entry]:
    """The newest of somebody's actions that was not taken back: its entries, oldest first."""
    a, later = audit.c, audit.alias()
    taken_back = select(later.c.id).where(later.c.undoes == a.id).exists()
    newest = connection.execute(
        select(a.at, a.action, a.event_id)
        .where(a.who == who, a.action.in_(actions), ~taken_back)
        .order_by(a.id.desc())
        .limit(1)
    ).first()
    if newest is None:
        return []
    return _in_order(
        connection,
        a.who == who,
        a.at == newest.at,
        a.action == newest.action,
        a.event_id.is_not_distinct_from(newest.event_id),
        ~taken_back,
    )


def actors(connection: Connection, since: datetime, most: int) -> list[str]:
    """Who acted since then."""
    query = select(audit.c.who).where(audit.c.at >= since).distinct().order_by(audit.c.who)
    return list(connection.execute(query.limit(most)).scalars())


def _in_order(connection: Connection, *which: ColumnElement[bool]) -> list[Entry]:
    query = select(*_COLUMNS).where(*which).order_by(audit.c.id)
    return [Entry(*row) for row in connection.execute(query)]
