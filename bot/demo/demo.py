"""The demo: a homeserver, a mail catcher, the desk and its room, all real and all on loopback.

It owns the folder `state/demo` and begins each time with an empty one.
"""

import asyncio
import fcntl
import os
import secrets
import shutil
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import yaml

from bot.demo.mail_catcher import MailCatcher
from bot.demo.ports import free_port
from bot.demo.synapse import Synapse, SynapseError
from bot.demo.tour import Tour, TourError
from bot.room.member import Member
from bot.room.session import Refused, RoomError, Unanswered
from bot.service import serve
from gateway import log
from gateway.settings.config import ConfigError, parse
from gateway.settings.settings import Settings

_MAIL_PAGE = 8026
_PAGE_LIMIT = 30.0  # seconds until the page must answer

Say = Callable[[str], None]


class DemoError(Exception):
    """The demo cannot begin; one sentence says why."""


class Demo:
    """One run of the demo on a configuration file; `say` prints."""

    def __init__(self, config: Path, say: Say = print) -> None:
        self._say = say
        self._project = config.resolve().parent
        self._data = _read(config)
        self._folder = self._project / "state" / "demo"
        self._passwords = {"moderator": secrets.token_urlsafe(9), "porter": secrets.token_hex(16)}

    async def run(self, *, tour_only: bool) -> int:
        """Set everything up, walk the tour, and unless `tour_only` stay; returns an exit status."""
        with self._alone():
            self._lay_out()
            try:
                async with self._everything() as (settings, catcher, moderator):
                    await self._walk(settings, catcher, moderator)
                    if not tour_only:
                        await self._stay(settings, catcher, moderator)
            except TourError as error:
                self._say(f"\nThe tour failed at {error}.")
                self._say(f"The desk's log: {self._folder / 'porter.log'}")
                return 1
            except (SynapseError, RoomError, Refused, Unanswered) as error:
                raise DemoError(str(error)) from error
        return 0

    async def _walk(self, settings: Settings, catcher: MailCatcher, moderator: Member) -> None:
        began = time.monotonic()
        async with aiohttp.ClientSession() as session:
            tour = Tour(
                session=session,
                desk_url=f"http://{settings.web.host}:{settings.web.port}",
                homeserver_url=settings.homeserver.url,
                catcher=catcher,
                moderator=moderator,
                say=self._say,
            )
            steps = await tour.walk()
        self._say(f"\nThe tour is over: {steps} steps in {time.monotonic() - began:.0f} s.")

    async def _stay(self, settings: Settings, catcher: MailCatcher, moderator: Member) -> None:
        """Print where everything is, and pass typed commands on to the room."""
        self._say(
            f"\nThe page        {settings.web.public_url}"
            f"\nThe mails       {catcher.url}"
            f"\nThe homeserver  {settings.homeserver.url}"
            f"\nThe room        {settings.bot and settings.bot.room}"
            f"\nThe moderator   {moderator.user}, password {self._passwords['moderator']}"
            "\nLog in with any Matrix client, or type commands here (help shows them; Ctrl-C ends)."
        )
        async for line in _typed():
            if command := line.strip().removeprefix("!porter").strip():
                try:
                    self._say(await moderator.ask(f"!porter {command}"))
                except (TimeoutError, Unanswered, Refused) as error:
                    self._say(f"No answer came from the room: {error or 'it took too long'}.")
        if not sys.stdin.isatty():
            # Started without a terminal: stay until somebody says stop.
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def _everything(self) -> AsyncIterator[tuple[Settings, MailCatcher, Member]]:
        """The servers, the desk and the moderator; all of them end with the block."""
        host, smtp_port = "127.0.0.1", self._free("smtp.port", self._data["smtp"])
        catcher = MailCatcher(host, smtp_port, self._free_port("the mail page", _MAIL_PAGE))
        url = urlsplit(self._data["homeserver"]["url"])
        port = self._free_port("the homeserver", url.port or 8008)
        self._data["homeserver"]["url"] = f"http://{host}:{port}"
        web_port = self._free("web.port", self._data["web"])
        self._data["web"]["public_url"] = f"http://localhost:{web_port}"
        synapse = Synapse(self._folder / "synapse", str(self._data["server_name"]), port)
        moderator: Member | None = None
        desk: asyncio.Task[None] | None = None
        try:
            await self._long_step("Starting a real Synapse", synapse.start)
            await catcher.start()
            await self._make_accounts(synapse)
            settings = parse(yaml.safe_dump(self._data), self._project)
            assert settings.bot is not None
            moderator = Member(
                synapse.url,
                f"@moderator:{settings.server_name}",
                self._passwords["moderator"],
                self._folder / "moderator",
            )
            alias = settings.bot.room[1:].partition(":")[0]
            await moderator.open(alias, invite=settings.bot.user)
            desk = asyncio.create_task(serve(settings, gateway=True, bot=True), name="desk")
            await self._long_step(
                "Starting gateway and bot", lambda: self._until_ready(settings, moderator, desk)
            )
            yield settings, catcher, moderator
        finally:
            if desk is not None:
                desk.cancel()
                with suppress(asyncio.CancelledError, ConfigError):
                    await desk
            if moderator is not None:
                await moderator.close()
            await catcher.stop()
            await synapse.stop()

    async def _make_accounts(self, synapse: Synapse) -> None:
        # Whoever registers first becomes the admin on some servers.
        token = await synapse.register_user("operator", secrets.token_hex(16), admin=True)
        self._keep_secret("admin-token", token)
        for name, password in self._passwords.items():
            await synapse.register_user(name, password)
        self._keep_secret("bot-password", self._passwords["porter"])

    async def _until_ready(
        self, settings: Settings, moderator: Member, desk: "asyncio.Task[None]"
    ) -> None:
        assert settings.bot is not None
        url = f"http://{settings.web.host}:{settings.web.port}/readyz"
        async with asyncio.timeout(_PAGE_LIMIT), aiohttp.ClientSession() as session:
            while True:
                if desk.done():
                    await desk
                with suppress(aiohttp.ClientError):
                    async with session.get(url) as response:
                        if response.status == 200:
                            break
                await asyncio.sleep(0.1)
        await moderator.has_joined(settings.bot.user)

    async def _long_step(self, title: str, step: Callable[[], Any]) -> None:
        began = time.monotonic()
        self._say(f"{title} …")
        await step()
        self._say(f"  {time.monotonic() - began:.1f} s")

    def _lay_out(self) -> None:
        """An empty folder of our own, with copies of the ban lists in it."""
        for old in self._folder.iterdir():
            if old.name != "lock":
                shutil.rmtree(old) if old.is_dir() else old.unlink()
        bans = self._folder / "bans"
        bans.mkdir()
        for file in sorted((self._project / "bans").glob("*.txt")):
            if not file.name.startswith("example-"):
                shutil.copy(file, bans)
        (self._folder / "secrets").mkdir(mode=0o700)
        log.configure((self._folder / "porter.log").open("w", buffering=1))

    def _free(self, what: str, section: dict[str, Any]) -> int:
        section["port"] = self._free_port(what, int(section["port"]))
        return int(section["port"])

    def _free_port(self, what: str, wanted: int) -> int:
        port = free_port(wanted)
        if port != wanted:
            self._say(f"Port {wanted} ({what}) is taken: {port} serves instead.")
        return port

    def _keep_secret(self, name: str, value: str) -> None:
        file = self._folder / "secrets" / name
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT, 0o600), "w") as stream:
            stream.write(value)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / "lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DemoError(f"Another demo runs in {self._folder}; end it first.") from None
            yield


def _read(config: Path) -> dict[str, Any]:
    try:
        data = yaml.safe_load(config.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise DemoError(
            f"{config} cannot be read; the demo runs in Porter's own folder."
        ) from error
    if not isinstance(data, dict) or not {"web", "smtp", "homeserver", "bot"} <= set(data):
        raise DemoError(f"{config} is not the demo's: it needs web, smtp, homeserver and bot.")
    if not str(data.get("state", "")).startswith("state/demo"):
        raise DemoError(f"{config} is not the demo's: its state is not under state/demo.")
    return data


async def _typed() -> AsyncIterator[str]:
    """The lines typed into the terminal, until its end."""
    loop = asyncio.get_running_loop()
    lines: asyncio.Queue[str | None] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            with suppress(RuntimeError):  # the loop is gone when the demo has ended
                loop.call_soon_threadsafe(lines.put_nowait, line)
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lines.put_nowait, None)

    # A daemon: nobody can take a blocked read back when Ctrl-C comes.
    threading.Thread(target=read, daemon=True, name="terminal").start()
    while (line := await lines.get()) is not None:
        yield line
