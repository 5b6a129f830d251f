"""The desk's alerts on their way into the room: out of the database, in words."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bot.answers import Answer, Line, Part, code
from bot.room.alerts import RoomAlert
from gateway.desk import Desk
from gateway.store import alerts, offers, rooms
from gateway.store.alerts import Alert
from gateway.store.offers import Offer


class DeskAlerts:
    """The room's feed of alerts, out of the database."""

    def __init__(self, desk: Desk) -> None:
        self._database = desk.database
        self._clock = desk.clock

    async def enter(self, room_id: str) -> None:
        """From now on alerts stand in this room; what still lasts is told there anew."""
        await self._database.write(lambda c: rooms.enter(c, room_id))

    async def pending(self) -> Sequence[RoomAlert]:
        """What the room has not seen, or not as it is now."""
        now = self._clock()
        found = await self._database.read(lambda c: alerts.pending(c, now))
        return [_for_room(alert) for alert in found]

    async def posted(self, id: int, event_id: str, offered: Sequence[Offer]) -> None:
        """The room has its message: from now on reactions to it are commands."""
        now = self._clock()

        def note(connection: Connection) -> None:
            alerts.posted(connection, id, event_id)
            offers.keep(connection, event_id, offered, now)

        await self._database.write(note)

    async def shown(
        self, id: int, version: int, event_id: str | None, details_event_id: str | None
    ) -> None:
        """The room shows it in this version."""
        await self._database.write(
            lambda c: alerts.shown(c, id, version, event_id, details_event_id)
        )


def _for_room(alert: Alert) -> RoomAlert:
    first, *more = (told(line) for line in alert.text.split("\n"))
    if alert.count > 1:
        first = (*first, f" ({extent(alert)})")
    lines: list[Line] = [first, *more]
    # A text may name its commands itself.
    unnamed = [each for each in alert.actions if each[1] not in alert.text]
    if unnamed:
        lines.append(_named(unnamed))
    details = tuple(told(line) for line in alert.details)
    return RoomAlert(
        id=alert.id,
        version=alert.version,
        begun=alert.first_at.isoformat(),
        is_new=not alert.shown_version,
        is_over=alert.ended_at is not None,
        message=Answer(tuple(lines), offers=alert.actions),
        details=Answer(("Some of them (times in UTC):", *details)) if details else None,
        event_id=alert.event_id,
        details_event_id=alert.details_event_id,
    )


def told(text: str) -> tuple[Part, ...]:
    """A line of an alert; what stands between backquotes came from outside, and is set apart."""
    return tuple(code(part) if number % 2 else part for number, part in enumerate(text.split("`")))


def extent(alert: Alert) -> str:
    """How many, and since when, or from when to when if it is over."""
    shape = "%H:%M" if alert.first_at.date() == alert.last_at.date() else "%m-%d %H:%M"
    first, last = alert.first_at.strftime(shape), alert.last_at.strftime(shape)
    span = f"since {first}" if alert.ended_at is None else f"from {first} to {last}"
    return f"×{alert.count} {span} UTC"


def _named(offered: Sequence[Offer]) -> Line:
    parts: list[Part] = []
    for key, command in offered:
        parts += [" · " if parts else "", f"{key} ", code(command)]
    return tuple(parts)
