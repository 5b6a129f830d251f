"""Lifetimes of tokens, kept when the clock is set back: then an end that was fixed before lies too
far ahead.

A token from the future was made by a clock that was ahead: its time begins now. A shared one that
was followed by another never has more left than the overlap. What remains: a token that is older
than the leap lives longer by as much, unless the homeserver itself ends it.
"""

from datetime import datetime, timedelta

from sqlalchemy import Connection, and_, or_, select

from gateway.store.schema import tokens

_WAIT = timedelta(minutes=1)  # how old a caller's `now` may be, and more than clocks drift


def too_long(connection: Connection, now: datetime, overlap: timedelta) -> dict[int, datetime]:
    """Tokens whose end lies too far ahead, and when they may end at most.

    `overlap` is how long a shared token outlives the next one.
    """
    t = tokens.c
    is_superseded = and_(t.purpose == "shared", t.withdraw_at > now + overlap + _WAIT)
    query = select(t.id, t.purpose, t.created_at, t.withdraw_at).where(
        t.withdrawn_at.is_(None),
        t.withdraw_at > now,
        or_(t.created_at > now + _WAIT, is_superseded),
    )
    return {
        row.id: now + (overlap if row.purpose == "shared" else row.withdraw_at - row.created_at)
        for row in connection.execute(query)
    }


def shorten(connection: Connection, now: datetime, overlap: timedelta) -> int:
    """Give all of them the end that they may have at most; returns how many."""
    ends = too_long(connection, now, overlap)
    for number, end in ends.items():
        own = and_(tokens.c.id == number, tokens.c.expires_at.is_not(None))
        connection.execute(tokens.update().where(own).values(expires_at=end))
        connection.execute(
            tokens.update().where(tokens.c.id == number).values(created_at=now, withdraw_at=end)
        )
    return len(ends)
