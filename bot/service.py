"""The bot at work: a desk, its moderators' room, and the alerts between them."""

import asyncio
import gc
import signal
from functools import partial
from pathlib import Path

from bot import reload
from bot.account import rule_of, session_of
from bot.feed import DeskAlerts
from bot.ledger import DeskLedger
from bot.orders import DeskOrders
from bot.room.admin_room import AdminRoom
from bot.room.room import Room
from bot.room.session import FolderInUse, Session
from bot.shift import Parts, Shift
from gateway.app import change_page, open_page, run_background
from gateway.desk import Desk
from gateway.settings.config import ConfigError
from gateway.settings.room import Bot
from gateway.settings.settings import Settings
from gateway.web.server import WebServer


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


async def serve(
    settings: Settings, *, gateway: bool, bot: bool, config: Path | None = None
) -> None:
    """Run a desk's parts until cancelled; each that falls is started again after a pause.

    On SIGHUP the settings are read anew from `config`: the page stays, and the parts go on with
    what stands there now, or as before when it cannot be used. Raises ConfigError for what waiting
    cannot mend.
    """
    hangup = asyncio.Event()
    if config is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, hangup.set)
    shift = await Shift.open(settings)
    page = None
    try:
        page = await open_page(shift.desk) if gateway else None
        await reload.settle(shift.desk)
        shift.begin(_parts(shift.desk, gateway=gateway, bot=bot))
        while True:
            await shift.until(hangup)
            hangup.clear()
            assert config is not None
            relief = await _relieve(shift.desk, config, page, bot_alone=bot and not gateway)
            if relief is not None:
                before, shift = shift, relief
                try:
                    await before.end()  # its bot leaves the room before ours enters
                    shift.begin(_parts(shift.desk, gateway=gateway, bot=bot))
                    if page is not None:
                        await page.settled()
                finally:
                    await before.close()
                gc.collect()  # a whole desk of it, which the calm collector would leave for hours
    finally:
        try:
            await asyncio.gather(shift.end(), *([page.stop()] if page else []))
        finally:
            await shift.close()


async def _relieve(
    desk: Desk, config: Path, page: WebServer | None, *, bot_alone: bool
) -> Shift | None:
    """Another desk, to which the page leads from now on; None when that cannot be."""
    relief = None
    try:
        settings = reload.read(config, desk.settings)
        if bot_alone:
            _bot_of(settings)
        relief = await Shift.open(settings)
        if page is not None:
            await change_page(page, relief.desk)
    except ConfigError as error:
        if relief is not None:
            await relief.close()
        await reload.tell_refused(desk, error.faults)
        return None
    await reload.tell_done(relief.desk, desk.settings)
    return relief


def _parts(desk: Desk, *, gateway: bool, bot: bool) -> Parts:
    parts: Parts = {"bans": desk.ban_watch.run}
    if gateway:
        parts["gateway"] = partial(run_background, desk)
    # Without the section a gateway runs alone, as it may from its start.
    if bot and not (gateway and desk.settings.bot is None):
        _bot_of(desk.settings)
        parts["bot"] = partial(run_bot, desk)
    return parts
