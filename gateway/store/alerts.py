"""Alerts on their way to the room: one row for a cause, counted while it lasts.

The gateway raises, the bot shows; they meet only in this table.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, select

from gateway.store.schema import alerts

QUIET = timedelta(hours=1)  # a cause that was silent for so long starts a new message


@dataclass(frozen=True, slots=True)
class Alert:
    """One cause. `event_id` is the room's message about it, once there is one."""

    id: int
    cause: str
    text: str
    count: int
    first_at: datetime
    last_at: datetime
    event_id: str | None


_COLUMNS = tuple(alerts.c[name] for name in Alert.__slots__)


def outside(value: str) -> str:
    """A value that came from outside, as it stands in an alert's text: between backquotes."""
    harmless = value.replace("`", "'")
    return f"`{harmless}`"


def raise_alert(connection: Connection, cause: str, text: str, now: datetime) -> None:
    """Count one more of `cause`, or begin a row for it."""
    standing = connection.execute(
        select(alerts.c.id)
        .where(alerts.c.cause == cause, alerts.c.last_at > now - QUIET)
        .order_by(alerts.c.id.desc())
        .limit(1)
    ).scalar()
    if standing is None:
        connection.execute(
            alerts.insert().values(
                cause=cause, text=text, count=1, first_at=now, last_at=now, shown_count=0
            )
        )
    else:
        connection.execute(
            alerts.update()
            .where(alerts.c.id == standing)
            .values(text=text, count=alerts.c.count + 1, last_at=now)
        )


def pending(connection: Connection, most: int = 10) -> list[Alert]:
    """Alerts that the room has not seen, or not with their present count; oldest first."""
    query = (
        select(*_COLUMNS)
        .where(alerts.c.count != alerts.c.shown_count)
        .order_by(alerts.c.id)
        .limit(most)
    )
    return [Alert(*row) for row in connection.execute(query)]


def shown(connection: Connection, alert_id: int, event_id: str, count: int) -> None:
    """Note that the room shows an alert with this count."""
    connection.execute(
        alerts.update().where(alerts.c.id == alert_id).values(event_id=event_id, shown_count=count)
    )
