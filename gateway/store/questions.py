"""Questions: commands that wait for a moderator's yes, and outlive a restart."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from gateway.store.audit import Author
from gateway.store.room_schema import questions

LIFE = timedelta(days=1)  # what was asked longer ago is not carried out any more


@dataclass(frozen=True, slots=True)
class Question:
    """`words` is the command that a yes carries out; `who` gave it; `settled_at` is when it was
    answered."""

    id: int
    at: datetime
    who: str
    words: tuple[str, ...]
    settled_at: datetime | None = None


def ask(connection: Connection, author: Author, words: tuple[str, ...], now: datetime) -> int:
    """Keep a command until somebody answers; returns the question's number.

    The same event asks the same question once, also when a crash repeats it.
    """
    values = {
        "at": now,
        "who": author.who,
        "words": json.dumps(words),
        "event_id": author.event_id,
    }
    if author.event_id is not None:
        same = (questions.c.event_id == author.event_id, questions.c.words == values["words"])
        known = connection.execute(select(questions.c.id).where(*same)).scalar()
        if known is not None:
            return int(known)
    added = questions.insert().values(values).returning(questions.c.id)
    return int(connection.execute(added).scalar_one())


def settle(connection: Connection, number: int, by: Author, now: datetime) -> Question | None:
    """Answer a question; None when it was answered before, or is too old, or was never asked.

    The same Matrix event may answer again: a command that a crash interrupted is repeated.
    """
    q = questions.c
    again = [q.settled_by == by.event_id] if by.event_id is not None else []
    settled = connection.execute(
        questions.update()
        .where(
            q.id == number,
            q.at > now - LIFE,
            or_(q.settled_at.is_(None), *again),
        )
        .values(settled_at=now, settled_by=by.event_id or by.who)
    )
    if not settled.rowcount:
        return None
    return get(connection, number)


def get(connection: Connection, number: int) -> Question | None:
    """One question by its number, open or not."""
    q = questions.c
    query = select(q.id, q.at, q.who, q.words, q.settled_at).where(q.id == number)
    row = connection.execute(query).first()
    if row is None:
        return None
    return Question(row.id, row.at, row.who, tuple(json.loads(row.words)), row.settled_at)
