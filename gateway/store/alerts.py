"""Alerts on their way to the room: one row for a cause, counted while it lasts.

The gateway raises and ends them, the bot shows them; they meet only in this table. The first word
of a cause is its kind (`burst network 203.0.113.0/24`). Outside values stand between backquotes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, RowMapping, func, or_, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.offers import Offer
from gateway.store.schema import alerts, mutes

QUIET = timedelta(hours=1)  # a cause that was silent for so long starts a new message
_MOST_DETAILS = 30


@dataclass(frozen=True, slots=True)
class Alert:
    """One cause. `event_id` is the room's message about it, once there is one; `details` stand in
    its thread, and each of `actions` is offered as a reaction to it."""

    id: int
    cause: str
    text: str
    count: int
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None
    details: tuple[str, ...]
    actions: tuple[Offer, ...]
    version: int
    event_id: str | None
    details_event_id: str | None


@dataclass(frozen=True, slots=True)
class Mute:
    """A cause, or a kind of causes, that the room does not hear of; without `until` for good."""

    cause: str
    until: datetime | None
    who: str


_COLUMNS = tuple(alerts.c[name] for name in Alert.__slots__)


def outside(value: str) -> str:
    """A value that came from outside, as it stands in an alert's text: between backquotes."""
    harmless = value.replace("`", "'")
    return f"`{harmless}`"


def raise_alert(
    connection: Connection,
    cause: str,
    text: str,
    now: datetime,
    *,
    detail: str | None = None,
    actions: Sequence[Offer] = (),
) -> int:
    """Count one more of `cause`, or begin a row for it; returns its number.

    `actions` are (reaction, command); in a command `{id}` becomes the alert's number.
    """
    standing = _standing(connection, cause, now)
    if standing is None:
        values = {
            "cause": cause,
            "text": text,
            "count": 1,
            "first_at": now,
            "last_at": now,
            "details": json.dumps([detail] if detail else []),
            "actions": "[]",
            "version": 1,
            "shown_version": 0,
        }
        added = alerts.insert().values(values).returning(alerts.c.id)
        number = int(connection.execute(added).scalar_one())
        offered = [(key, command.replace("{id}", str(number))) for key, command in actions]
        connection.execute(
            alerts.update().where(alerts.c.id == number).values(actions=json.dumps(offered))
        )
        return number
    details = [*standing.details, *([detail] if detail else [])][-_MOST_DETAILS:]
    connection.execute(
        alerts.update()
        .where(alerts.c.id == standing.id)
        .values(
            text=text,
            count=alerts.c.count + 1,
            last_at=now,
            details=json.dumps(details),
            version=alerts.c.version + 1,
        )
    )
    return standing.id


def end(connection: Connection, cause: str, now: datetime, text: str | None = None) -> bool:
    """Close a cause's message, however old, with other words if `text` gives them.

    False when none is open.
    """
    a = alerts.c
    ended = connection.execute(
        alerts.update()
        .where(a.cause == cause, a.ended_at.is_(None))
        .values(ended_at=now, text=text or a.text, actions="[]", version=a.version + 1)
    )
    return ended.rowcount > 0


def pending(connection: Connection, now: datetime, most: int = 10) -> list[Alert]:
    """Alerts that the room has not seen, or not as they are now, unless muted; oldest first."""
    quiet = [each.cause for each in muted(connection, now)]
    query = (
        select(*_COLUMNS)
        .where(
            alerts.c.version != alerts.c.shown_version,
            *(alerts.c.cause != cause for cause in quiet),
            *(~alerts.c.cause.startswith(f"{cause} ", autoescape=True) for cause in quiet),
        )
        .order_by(alerts.c.id)
        .limit(most)
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def shown(
    connection: Connection,
    alert_id: int,
    event_id: str,
    version: int,
    details_event_id: str | None = None,
) -> None:
    """Note that the room shows an alert in this version."""
    values: dict[str, object] = {"event_id": event_id, "shown_version": version}
    if details_event_id is not None:
        values["details_event_id"] = details_event_id
    connection.execute(alerts.update().where(alerts.c.id == alert_id).values(values))


def asked(connection: Connection, kind: str, since: datetime) -> int:
    """How many causes of a kind got a message of their own since then."""
    a = alerts.c
    query = select(func.count()).where(
        a.cause.startswith(f"{kind} ", autoescape=True), a.first_at > since
    )
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, alert_id: int) -> Alert | None:
    """One alert by its number."""
    row = connection.execute(select(*_COLUMNS).where(alerts.c.id == alert_id)).mappings().first()
    return None if row is None else _read(row)


def lasting(connection: Connection, now: datetime) -> list[Alert]:
    """The alerts that have not ended, oldest first."""
    query = (
        select(*_COLUMNS)
        .where(alerts.c.ended_at.is_(None), alerts.c.last_at > now - QUIET)
        .order_by(alerts.c.id)
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def mute(connection: Connection, cause: str, until: datetime | None, who: str) -> None:
    """Keep a cause, or all of a kind, out of the room; it is counted all the same."""
    values = {"cause": cause, "until": until, "who": who}
    added = insert(mutes).values(values)
    connection.execute(added.on_conflict_do_update(index_elements=["cause"], set_=values))


def unmute(connection: Connection, cause: str) -> bool:
    """Let a cause be heard again; False when it was not muted."""
    return connection.execute(mutes.delete().where(mutes.c.cause == cause)).rowcount == 1


def muted(connection: Connection, now: datetime) -> list[Mute]:
    """The mutes in force."""
    columns = (mutes.c[name] for name in Mute.__slots__)
    query = select(*columns).where(or_(mutes.c.until.is_(None), mutes.c.until > now))
    return [Mute(*row) for row in connection.execute(query.order_by(mutes.c.cause))]


def _standing(connection: Connection, cause: str, now: datetime) -> Alert | None:
    row = (
        connection.execute(
            select(*_COLUMNS)
            .where(
                alerts.c.cause == cause,
                alerts.c.ended_at.is_(None),
                alerts.c.last_at > now - QUIET,
            )
            .order_by(alerts.c.id.desc())
            .limit(1)
        )
        .mappings()
        .first()
    )
    return None if row is None else _read(row)


def _read(row: RowMapping) -> Alert:
    values = dict(row)
    values["details"] = tuple(json.loads(values["details"]))
    values["actions"] = tuple((key, command) for key, command in json.loads(values["actions"]))
    return Alert(**values)
