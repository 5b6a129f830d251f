"""The audit: who did what, when and why. Rows are only ever added."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select

from gateway.store.schema import audit


@dataclass(frozen=True, slots=True)
class Author:
    """Who acts: a Matrix user id, `terminal:NAME`, or `porter`; and by which Matrix event."""

    who: str
    event_id: str | None = None


PORTER = Author("porter")  # the desk itself


@dataclass(frozen=True, slots=True)
class Entry:
    """One action; `who` is its author."""

    at: datetime
    who: str
    action: str
    subject: str
    before: str | None = None
    after: str | None = None
    reason: str | None = None
    event_id: str | None = None


_COLUMNS = tuple(audit.c[name] for name in Entry.__slots__)


def write(connection: Connection, entry: Entry) -> int:
    """Add an entry, in the transaction of the action itself; returns its number."""
    values = {name: getattr(entry, name) for name in Entry.__slots__}
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
) -> None:
    """Write down what `author` did, in the transaction of the action itself."""
    write(
        connection,
        Entry(at, author.who, action, subject, before, after, reason, author.event_id),
    )


def search(connection: Connection, text: str = "", most: int = 20) -> list[Entry]:
    """The newest entries whose author, action, subject or reason contains `text`."""
    query = select(*_COLUMNS).order_by(audit.c.id.desc()).limit(most)
    if text:
        fields = (audit.c.who, audit.c.action, audit.c.subject, audit.c.reason)
        query = query.where(or_(*(field.icontains(text, autoescape=True) for field in fields)))
    return [Entry(*row) for row in connection.execute(query)]
