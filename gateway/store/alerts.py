"""Alerts on their way to the room: one row for a cause, counted while it lasts.

The gateway raises and ends them, the bot shows them; they meet only in this table. The first word
of a cause is its kind (`burst network 203.0.113.0/24`). Outside values stand between backquotes.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    RowMapping,
    and_,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from gateway.store import mutes
from gateway.store.offers import Offer
from gateway.store.room_schema import alerts

# Nothing that goes on: when such a one is over, there is nothing to tell.
_HAPPENINGS = ("rotation", "token", "rejected", "mail", "saving", "unknown", "account", "unwanted")
_A_WHILE = timedelta(hours=1)  # silence that ends an alert, unless the alert says otherwise
_LATE = timedelta(minutes=5)  # a time further ahead was written before the clock was set back
_MOST_DETAILS = 30


@dataclass(frozen=True, slots=True)
class Alert:
    """One cause. `event_id` is the room's message about it, once there is one; `details` stand in
    its thread, and each of `actions` is offered as a reaction to it. After `quiet` seconds of
    silence it ends by itself."""

    id: int
    cause: str
    text: str
    count: int
    first_at: datetime
    last_at: datetime
    ended_at: datetime | None
    quiet: int | None
    details: tuple[str, ...]
    actions: tuple[Offer, ...]
    version: int
    shown_version: int
    event_id: str | None
    details_event_id: str | None

    @property
    def kind(self) -> str:
        """The first word of its cause."""
        return self.cause.partition(" ")[0]

    def is_silent(self, now: datetime) -> bool:
        """Whether it has ended by itself. A clock that was set back keeps none alive."""
        if self.quiet is None:
            return False
        return now - self.last_at >= timedelta(seconds=self.quiet) or self.last_at > now + _LATE


_COLUMNS = tuple(alerts.c[name] for name in Alert.__slots__)


def outside(value: str) -> str:
    """A value that came from outside, as it stands in an alert's text: between backquotes."""
    harmless = value.replace("`", "'").replace("\n", "\\u000a")
    return f"`{harmless}`"


def raise_alert(
    connection: Connection,
    cause: str,
    text: str,
    now: datetime,
    *,
    count: int = 1,
    since: datetime | None = None,
    quiet: timedelta | None = _A_WHILE,
    detail: str | None = None,
    details: Sequence[str] = (),
    actions: Sequence[Offer] = (),
) -> int:
    """Count `count` more of `cause`, or begin a row for it; returns its number.

    `actions` are (reaction, command); in a command `{id}` becomes the alert's number. Without
    `quiet` the alert lasts until it is ended.
    """
    lines = [*details, *([detail] if detail else [])]
    known = standing(connection, cause, now)
    if known is not None:
        change(
            connection,
            known,
            text=text,
            count=alerts.c.count + count,
            last_at=now,
            details=json.dumps([*known.details, *lines][-_MOST_DETAILS:]),
        )
        return known.id
    values = {
        "cause": cause,
        "text": text,
        "count": count,
        "first_at": since or now,
        "last_at": now,
        "quiet": None if quiet is None else int(quiet.total_seconds()),
        "details": json.dumps(lines[-_MOST_DETAILS:]),
        "actions": "[]",
        "version": 1,
        "shown_version": 0,
    }
    added = alerts.insert().values(values).returning(alerts.c.id)
    number = int(connection.execute(added).scalar_one())
    connection.execute(
        alerts.update().where(alerts.c.id == number).values(actions=offered(actions, number))
    )
    return number


def offered(actions: Sequence[Offer], number: int) -> str:
    """The actions of an alert as they are kept, with its number in the place of `{id}`."""
    return json.dumps([(key, command.replace("{id}", str(number))) for key, command in actions])


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


def end_silent(connection: Connection, now: datetime) -> int:
    """End what has been silent for long enough; returns how many that were."""
    open_ones = alerts.c.ended_at.is_(None), alerts.c.quiet.is_not(None)
    found = connection.execute(select(*_COLUMNS).where(*open_ones)).mappings()
    silent = [each for each in map(_read, found) if each.is_silent(now)]
    for each in silent:
        _end_silent(connection, each, now)
    return len(silent)


def pending(connection: Connection, now: datetime, most: int = 50) -> list[Alert]:
    """Alerts that the room has not seen, or not as they are now.

    A mute holds back new messages; one that stands in the room goes on being true.
    Reviews come first, then what is new, then what has changed; each oldest first.
    """
    muted = [each.cause for each in mutes.in_force(connection, now)]
    is_review = alerts.c.cause.startswith("review ")
    query = (
        select(*_COLUMNS)
        .where(
            # Written out: with a bound parameter SQLite would not use the index.
            literal_column("version <> shown_version"),
            or_(alerts.c.event_id.is_not(None), not_(_is_one_of(muted))),
        )
        .order_by(is_review.desc(), alerts.c.shown_version != 0, alerts.c.id)
        .limit(most)
    )
    return [_read(row) for row in connection.execute(query).mappings()]


def drop_muted(connection: Connection, now: datetime) -> None:
    """What came and went while it was muted is never told, also when the mute is over."""
    muted = [each.cause for each in mutes.in_force(connection, now)]
    if not muted:
        return
    over = alerts.c.ended_at.is_not(None), alerts.c.event_id.is_(None)
    connection.execute(
        alerts.update()
        .where(literal_column("version <> shown_version"), *over, _is_one_of(muted))
        .values(shown_version=alerts.c.version)
    )


def _is_one_of(causes: Sequence[str]) -> ColumnElement[bool]:
    """Whether an alert's cause is one of these, or of one of these kinds."""
    begins = (alerts.c.cause.startswith(f"{cause} ", autoescape=True) for cause in causes)
    return or_(alerts.c.cause.in_(causes), *begins)


def posted(connection: Connection, alert_id: int, event_id: str) -> None:
    """Note that an alert has a message in the room."""
    connection.execute(alerts.update().where(alerts.c.id == alert_id).values(event_id=event_id))


def shown(
    connection: Connection,
    alert_id: int,
    version: int,
    event_id: str | None,
    details_event_id: str | None = None,
) -> None:
    """Note that the room shows an alert in this version; without `event_id` its message is gone."""
    values = {
        "shown_version": version,
        "event_id": event_id,
        "details_event_id": details_event_id,
    }
    connection.execute(alerts.update().where(alerts.c.id == alert_id).values(values))


def ended(connection: Connection, cause: str, since: datetime) -> Alert | None:
    """The last alert of a cause, if it ended after `since`."""
    a = alerts.c
    query = select(*_COLUMNS).where(a.cause == cause, a.ended_at > since).order_by(a.id.desc())
    row = connection.execute(query.limit(1)).mappings().first()
    return None if row is None else _read(row)


def asked(connection: Connection, kind: str, since: datetime) -> int:
    """How many causes of a kind got a message of their own since then."""
    a = alerts.c
    # Between these two stand all causes of the kind, and only they: "!" follows the blank.
    of_kind = and_(a.cause > f"{kind} ", a.cause < f"{kind}!")
    query = select(func.count()).where(of_kind, a.first_at > since)
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, alert_id: int) -> Alert | None:
    """One alert by its number."""
    row = connection.execute(select(*_COLUMNS).where(alerts.c.id == alert_id)).mappings().first()
    return None if row is None else _read(row)


def lasting(connection: Connection) -> list[Alert]:
    """The alerts that have not ended, oldest first."""
    query = select(*_COLUMNS).where(alerts.c.ended_at.is_(None)).order_by(alerts.c.id)
    return [_read(row) for row in connection.execute(query).mappings()]


def recent(connection: Connection, now: datetime, span: timedelta) -> list[str]:
    """The causes of the alerts that last, or ended within `span`."""
    ended = alerts.c.ended_at
    query = select(alerts.c.cause).where(
        or_(ended.is_(None), and_(ended > now - span, ended <= now + _LATE))
    )
    return list(connection.execute(query).scalars())


def is_known(connection: Connection, cause: str) -> bool:
    """Whether there ever was an alert of this very cause."""
    query = select(func.count()).select_from(alerts).where(alerts.c.cause == cause)
    return bool(connection.execute(query).scalar())


def standing(connection: Connection, cause: str, now: datetime) -> Alert | None:
    """The alert of a cause that lasts."""
    query = select(*_COLUMNS).where(alerts.c.cause == cause, alerts.c.ended_at.is_(None))
    row = connection.execute(query.order_by(alerts.c.id.desc()).limit(1)).mappings().first()
    if row is None:
        return None
    alert = _read(row)
    if alert.is_silent(now):
        _end_silent(connection, alert, now)
        return None
    return alert


def _end_silent(connection: Connection, alert: Alert, now: datetime) -> None:
    if alert.kind in _HAPPENINGS:
        connection.execute(
            alerts.update().where(alerts.c.id == alert.id).values(ended_at=now, actions="[]")
        )
    else:
        text = f"Over: {alert.text}"
        change(connection, alert, text=text, ended_at=min(now, alert.last_at), actions="[]")


def change(connection: Connection, alert: Alert, **values: object) -> None:
    """Change what an alert says; the room is told."""
    connection.execute(
        alerts.update()
        .where(alerts.c.id == alert.id)
        .values(version=alerts.c.version + 1, **values)
    )


def _read(row: RowMapping) -> Alert:
    values = dict(row)
    values["details"] = tuple(json.loads(values["details"]))
    values["actions"] = tuple((key, command) for key, command in json.loads(values["actions"]))
    return Alert(**values)
