"""The bot at work: a desk, its moderators' room, and the alerts between them."""

import asyncio

from bot.account import rule_of, session_of
from bot.feed import DeskAlerts
from bot.ledger import DeskLedger
from bot.orders import DeskOrders
from bot.room.admin_room import AdminRoom
from bot.room.room import Room
from bot.room.session import FolderInUse, Session
from gateway.app import open_desk, run_gateway
from gateway.desk import Desk
from gateway.settings.config import ConfigError
from gateway.settings.room import Bot
from gateway.settings.settings import Settings
from gateway.supervision import supervise


def _bot_of(settings: Settings) -> Bot:
    if settings.bot is None:
        raise ConfigError(["bot: missing; without it there is no moderators' room to serve"])
    return settings.bot


def build_room(desk: Desk, session: Session) -> Room:
    """The moderators' room of a desk."""
    bot = _bot_of(desk.settings)
    return Room(
        session=session,
        room=bot.room,
        rule=rule_of(bot),
        command_age=bot.command_age,
        ledger=DeskLedger(desk),
        alerts=DeskAlerts(desk),
        clock=desk.clock,
    )


def build_admin_room(desk: Desk, session: Session) -> AdminRoom | None:
    """The homeserver's own admin room, where one is configured."""
    room = desk.settings.homeserver.admin_room
    if room is None:
        return None
    return AdminRoom(
        session=session,
        room=room,
        moderators_room=_bot_of(desk.settings).room,
        server_name=desk.settings.server_name,
        desk=DeskOrders(desk),
    )


async def run_bot(desk: Desk) -> None:
    """Serve the desk's rooms with one log-in until cancelled.

    Raises ConfigError when no bot is configured, or another process serves the room.
    """
    session = session_of(desk.settings, _bot_of(desk.settings))
    admin_room = build_admin_room(desk, session)
    beside = asyncio.create_task(admin_room.run(), name="admin room") if admin_room else None
    try:
        await build_room(desk, session).run()
    except FolderInUse as error:
        raise ConfigError([f"state: {error}"]) from None
    finally:
        if beside is not None:
            beside.cancel()
            await asyncio.wait({beside})


async def serve(settings: Settings, *, gateway: bool, bot: bool) -> None:
    """Run a desk's parts until cancelled; each that falls is started again after a pause.

    Raises ConfigError for what waiting cannot mend.
    """
    async with open_desk(settings) as desk:
        if bot:
            _bot_of(settings)  # a missing section is said now, not after the start

        async def serve_page() -> None:
            await run_gateway(desk)

        async def serve_rooms() -> None:
            await run_bot(desk)

        parts = {"bans": desk.ban_watch.run}
        if gateway:
            parts["gateway"] = serve_page
        if bot:
            parts["bot"] = serve_rooms
        try:
            async with asyncio.TaskGroup() as tasks:
                for name, work in parts.items():
                    tasks.create_task(supervise(name, work), name=name)
        except ExceptionGroup as group:
            # Whichever part says it first: waiting mends none of it.
            raise group.exceptions[0] from None
