"""The composition root: the settings become one desk, and the desk runs."""

import asyncio
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta

import aiohttp
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.desk import Desk
from gateway.edges import make_composer, make_homeserver, make_mailer, make_whereabouts
from gateway.homeserver.pulse import Pulse
from gateway.mail.compose import Composer
from gateway.mail.delivery import Mailer
from gateway.mail.exchangers import Exchangers
from gateway.settings.config import ConfigError
from gateway.settings.settings import Settings
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.store.presence import present
from gateway.store.rights import tighten
from gateway.stories.accounts.restricting import Restricting
from gateway.stories.accounts.unknown_accounts import UnknownAccounts
from gateway.stories.accounts.watcher import AccountWatcher
from gateway.stories.ban_watch import BanWatch
from gateway.stories.burst_watch import BurstWatch
from gateway.stories.courier import Courier
from gateway.stories.destinations import Destinations
from gateway.stories.foresight import Foresight
from gateway.stories.forgetting import Forgetting
from gateway.stories.hours import Hours, schedule_of
from gateway.stories.human.human_check import HumanCheck
from gateway.stories.mail_pace import MailPace
from gateway.stories.moderation import Moderation
from gateway.stories.muting import Muting
from gateway.stories.notebook import Notebook
from gateway.stories.registration import Registrar
from gateway.stories.resending import Resending
from gateway.stories.retention import Retention
from gateway.stories.review import Reviews
from gateway.stories.tokens.ordered_room import OrderedRoom
from gateway.stories.tokens.rotation import Rotation
from gateway.stories.undoing import Undoing
from gateway.stories.unsaved import Unsaved
from gateway.stories.unwanted import Unwanted
from gateway.stories.vigil import Vigil, servers
from gateway.supervision import supervise
from gateway.web.server import WebServer

_log = structlog.get_logger(__name__)

_THREADS = 32  # asyncio's own number is six on two cores


@asynccontextmanager
async def open_desk(settings: Settings, clock: Clock = utc_now) -> AsyncIterator[Desk]:
    """Open the database (migrations included) and the ban files, and bind the stories.

    Raises ConfigError when a file that the settings name cannot be used.
    """
    database = Database(settings.state / "porter.db")
    keyring = Keyring(settings.state / "keys")
    bans = BanFiles(settings.bans)
    async with AsyncExitStack() as leaving:
        leaving.push_async_callback(database.close)
        try:
            settings.bans.mkdir(parents=True, exist_ok=True)
            _close_to_others(settings)
            await asyncio.to_thread(database.open)
            keyring.open(clock())
            await asyncio.to_thread(bans.load)
        except SQLAlchemyError as error:
            fault = f"state: {database.path} cannot be used ({complaint(error)})"
            raise ConfigError([fault]) from None
        except ValueError as error:
            raise ConfigError([f"state: {error}"]) from None
        except OSError as error:
            raise ConfigError([f"{error.filename}: cannot be used ({error.strerror})"]) from None
        mailer, composer = make_mailer(settings), make_composer(settings)
        leaving.push_async_callback(mailer.close)
        session = await leaving.enter_async_context(aiohttp.ClientSession())
        yield _bind(settings, database, keyring, bans, mailer, composer, session, clock)


def _close_to_others(settings: Settings) -> None:
    """Raises ValueError with one sentence, and OSError."""
    tightened = tighten(settings.state, settings.read_by_others)
    if tightened:
        # Once: from now on it is closed.
        _log.warning("closed_to_others", first=str(tightened[0]), count=len(tightened))


def _bind(
    settings: Settings,
    database: Database,
    keyring: Keyring,
    bans: BanFiles,
    mailer: Mailer,
    composer: Composer,
    session: aiohttp.ClientSession,
    clock: Clock,
) -> Desk:
    schedule = schedule_of(settings)
    hours = Hours(database, schedule, clock)
    room = OrderedRoom(database, settings.homeserver.timeout, clock)
    at_the_door = make_homeserver(settings, session, room)
    # A crowd of applicants must not keep the background's questions out.
    homeserver = make_homeserver(settings, session, room, at_once=1)
    bell = asyncio.Event()  # rung when a mail is owed
    rotation = Rotation(
        settings=settings,
        database=database,
        source=homeserver,
        schedule=schedule,
        wake=bell.set,
        clock=clock,
    )
    burst_watch, unsaved = BurstWatch(settings.alerts, database, clock), Unsaved()
    human_check = HumanCheck(settings.registration, database, keyring, clock)
    registrar = Registrar(
        settings=settings,
        database=database,
        keyring=keyring,
        bans=bans,
        hours=hours,
        names=at_the_door,
        human_check=human_check,
        burst_watch=burst_watch,
        unsaved=unsaved,
        wake=bell.set,
        clock=clock,
    )
    unwanted = Unwanted(settings.web.public_url, database, keyring, clock)
    reviews = Reviews(
        settings=settings, database=database, unwanted=unwanted, wake=bell.set, clock=clock
    )
    courier = Courier(
        settings=settings,
        database=database,
        bans=bans,
        names=homeserver,
        rotation=rotation,
        unwanted=unwanted,
        composer=composer,
        mailer=mailer,
        destinations=Destinations(
            settings, database, keyring, Exchangers(settings.addresses.resolver), clock
        ),
        bell=bell,
        clock=clock,
    )
    pulse = Pulse(session, settings.homeserver.url, settings.homeserver.timeout, homeserver)
    vigil = Vigil(
        settings=settings,
        database=database,
        servers=servers(mailer.check, pulse.check),
        unsaved=unsaved,
        clock=clock,
    )
    accounts = AccountWatcher(
        database=database,
        source=homeserver,
        names=homeserver,
        directory=homeserver,
        home=settings.homeserver.identity,
        own=settings.own_name,
        # As long as a token may work, and the watcher may be late.
        watched_for=max(settings.registration.name_hold, settings.tokens.valid_for)
        + timedelta(days=1),
        clock=clock,
    )
    restricting = Restricting(settings, database, homeserver, unwanted, bell.set, clock)
    moderation = Moderation(database, bans, clock)
    foresight = Foresight(
        settings=settings,
        database=database,
        whereabouts=make_whereabouts(settings, session),
        clock=clock,
    )
    muting = Muting(database, clock)
    undoing = Undoing(
        database=database,
        bans=bans,
        moderation=moderation,
        hours=hours,
        muting=muting,
        reviews=reviews,
        restricting=restricting,
        unwanted=unwanted,
        clock=clock,
    )
    return Desk(
        settings=settings,
        database=database,
        keyring=keyring,
        bans=bans,
        hours=hours,
        human_check=human_check,
        mail_pace=MailPace(database, clock),
        moderation=moderation,
        foresight=foresight,
        undoing=undoing,
        unwanted=unwanted,
        notebook=Notebook(database, bans, clock),
        homeserver=homeserver,
        mailer=mailer,
        burst_watch=burst_watch,
        registrar=registrar,
        resending=Resending(settings.smtp.domain, database, unwanted, bell.set, clock),
        reviews=reviews,
        rotation=rotation,
        courier=courier,
        accounts=accounts,
        ban_watch=BanWatch(database, bans, moderation, clock),
        vigil=vigil,
        unknown_accounts=UnknownAccounts(settings, database, homeserver),
        muting=muting,
        restricting=restricting,
        forgetting=Forgetting(database, keyring, bans, clock),
        retention=Retention(
            settings=settings, database=database, keyring=keyring, bans=bans, clock=clock
        ),
        clock=clock,
    )


async def open_page(desk: Desk) -> WebServer:
    """Serve the page.

    Raises ConfigError when the port is taken or the page's own files cannot be used.
    """
    # Hosts are looked up on these threads too, and a resolver that hangs must not hold up the bans.
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(_THREADS))
    try:
        server = WebServer(desk.settings, desk)
        await server.start()
    except (OSError, ValueError) as error:
        raise ConfigError([f"web: {error}"]) from None
    _log.info("page_served", url=server.url)
    return server


async def change_page(server: WebServer, desk: Desk) -> None:
    """Let a page that is served lead to another desk. Raises ConfigError as `open_page` does."""
    try:
        await server.change(desk.settings, desk)
    except (OSError, ValueError) as error:
        raise ConfigError([f"web: {error}"]) from None


async def run_background(desk: Desk) -> None:
    """Do all work behind the page until cancelled."""
    with suppress(SQLAlchemyError):  # the watcher does it with its first look, then
        await desk.accounts.arrive()
    lock = desk.settings.state / "gateway.lock"
    async with present(lock, desk.end_old_leases), asyncio.TaskGroup() as tasks:
        for name, work in (
            ("courier", desk.courier.run),
            ("rotation", desk.rotation.run),
            ("accounts", desk.accounts.run),
            ("enforcement", desk.restricting.enforcement.run),
            ("burst_watch", desk.burst_watch.run),
            ("vigil", desk.vigil.run),
            ("retention", desk.retention.run),
        ):
            tasks.create_task(supervise(name, work), name=name)
