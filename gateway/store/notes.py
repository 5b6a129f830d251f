"""Notes: what moderators write for each other about a registration or a ban."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.store.room_schema import notes


@dataclass(frozen=True, slots=True)
class Note:
    """One note. `subject` is named as in the audit: `registration 12`, `ip 203.0.113.7`."""

    id: int
    subject: str
    at: datetime
    who: str
    text: str


def add(connection: Connection, subject: str, who: str, text: str, now: datetime) -> None:
    """Add a note; notes are never changed."""
    connection.execute(notes.insert().values(subject=subject, at=now, who=who, text=text))


def about(connection: Connection, subject: str) -> list[Note]:
    """The notes on one subject, oldest first."""
    columns = (notes.c[name] for name in Note.__slots__)
    query = select(*columns).where(notes.c.subject == subject).order_by(notes.c.id)
    return [Note(*row) for row in connection.execute(query)]
