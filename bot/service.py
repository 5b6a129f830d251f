"""The bot at work: a desk, its moderators' room, and the alerts between them."""

import asyncio
from collections.abc import Sequence

from bot.account import session_of
from bot.answers import Answer, Part, code
from bot.ledger import DeskLedger
from bot.room.alerts import RoomAlert
from bot.room.room import Room
from gateway.app import Desk, open_desk, run_gateway
from gateway.config import ConfigError
from gateway.settings import Settings
from gateway.store import alerts
from gateway.store.alerts import Alert
from gateway.supervision import supervise


class DeskAlerts:
    """The room's feed of alerts, out of the database."""

    def __init__(self, desk: Desk) -> None:
        self._database = desk.database
        self._clock = desk.clock

    async def pending(self) -> Sequence[RoomAlert]:
        """What the room has not seen, or not with its present count."""
        now = self._clock()
        found = await self._database.read(lambda c: alerts.pending(c, now))
        return [_shown(alert) for alert in found]

    async def shown(self, id: int, event_id: str, version: int) -> None:
        """The room shows it now."""
        await self._database.write(lambda c: alerts.shown(c, id, event_id, version))


def _shown(alert: Alert) -> RoomAlert:
    # What stands between backquotes came from outside.
    parts: list[Part] = [
        code(part) if number % 2 else part for number, part in enumerate(alert.text.split("`"))
    ]
    if alert.count > 1:
        parts.append(f" (×{alert.count} since {alert.first_at:%H:%M} UTC)")
    answer = Answer((tuple(parts),))
    return RoomAlert(alert.id, answer.plain(), answer.html(), alert.event_id, alert.version)


def build_room(desk: Desk) -> Room:
    """The moderators' room of a desk. Raises ConfigError when no bot is configured."""
    bot = desk.settings.bot
    if bot is None:
        raise ConfigError(["bot: missing; without it there is no moderators' room to serve"])
    return Room(
        session=session_of(desk.settings, bot),
        room=bot.room,
        power=bot.power,
        command_age=bot.command_age,
        ledger=DeskLedger(desk),
        alerts=DeskAlerts(desk),
        clock=desk.clock,
    )


async def serve(settings: Settings, *, gateway: bool, bot: bool) -> None:
    """Run a desk's parts until cancelled; each that falls is started again after a pause.

    Raises ConfigError for what waiting cannot mend.
    """
    async with open_desk(settings) as desk:
        if bot:
            build_room(desk)  # a missing section is said now, not after the start

        async def serve_page() -> None:
            await run_gateway(desk)

        async def serve_room() -> None:
            await build_room(desk).run()

        parts = {"bans": desk.watch_bans}
        if gateway:
            parts["gateway"] = serve_page
        if bot:
            parts["bot"] = serve_room
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in parts.items():
                    tasks.create_task(supervise(name, work), name=name)
        except ExceptionGroup as group:
            # Whichever part says it first: waiting mends none of it.
            raise group.exceptions[0] from None
