"""Deliveries: how long the mails with tokens took, and since when others wait behind them."""

from datetime import datetime

from sqlalchemy import Connection, func, select

from gateway.store.schema import mails


def latest(connection: Connection, most: int) -> list[tuple[datetime, datetime]]:
    """Of the latest mails that went out: when each was owed, and when it was sent."""
    query = (
        select(mails.c.created_at, mails.c.sent_at)
        .where(mails.c.status == "sent", mails.c.kind == "token", mails.c.sent_at.is_not(None))
        # When its last attempt was due: an index has them in this order, however many there are.
        .order_by(mails.c.due_at.desc())
        .limit(most)
    )
    return [(row[0], row[1]) for row in connection.execute(query)]


def waits_since(connection: Connection, last_sent_at: datetime | None) -> datetime | None:
    """When the oldest mail was owed that waits and came after the last one that went out."""
    query = select(func.min(mails.c.created_at)).where(
        mails.c.status == "queued", mails.c.kind == "token"
    )
    if last_sent_at is not None:
        query = query.where(mails.c.created_at > last_sent_at)
    return connection.execute(query).scalar()
