"""The bot at work: a desk, its moderators' room, and the alerts between them."""

import asyncio

from bot.account import rule_of, session_of
from bot.feed import DeskAlerts
from bot.ledger import DeskLedger
from bot.room.room import Room
from bot.room.session import FolderInUse
from gateway.app import Desk, open_desk, run_gateway
from gateway.config import ConfigError
from gateway.settings import Settings
from gateway.supervision import supervise


def build_room(desk: Desk) -> Room:
    """The moderators' room of a desk. Raises ConfigError when no bot is configured."""
    bot = desk.settings.bot
    if bot is None:
        raise ConfigError(["bot: missing; without it there is no moderators' room to serve"])
    return Room(
        session=session_of(desk.settings, bot),
        room=bot.room,
        rule=rule_of(bot),
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
            try:
                await build_room(desk).run()
            except FolderInUse as error:
                raise ConfigError([f"state: {error}"]) from None

        parts = {"bans": desk.ban_watch.run}
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
