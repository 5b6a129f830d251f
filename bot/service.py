"""The bot at work: a desk, its moderators' room, and the alerts between them."""

import asyncio
from collections.abc import Sequence

from bot.answers import Answer, Part, code
from bot.console import Console
from bot.room.alerts import RoomAlert
from bot.room.inbox import Command
from bot.room.room import Room
from gateway.app import Desk, open_desk, run_gateway
from gateway.config import ConfigError
from gateway.settings import Settings
from gateway.store import alerts, events
from gateway.store.alerts import Alert
from gateway.store.audit import Author
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
    console = Console(desk)

    async def handle(command: Command) -> Answer:
        return await console.type(command.text, Author(command.sender, command.event_id))

    async def seen(event_id: str) -> bool:
        now = desk.clock()
        return not await desk.database.write(lambda c: events.take_up(c, event_id, now))

    return Room(
        homeserver_url=desk.settings.homeserver.url,
        user=bot.user,
        password=None if bot.password is None else bot.password.get_secret_value(),
        access_token=None if bot.access_token is None else bot.access_token.get_secret_value(),
        device_name=bot.device_name,
        room=bot.room,
        power=bot.power,
        command_age=bot.command_age,
        store_folder=desk.settings.state / "bot",
        handle=handle,
        seen=seen,
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
