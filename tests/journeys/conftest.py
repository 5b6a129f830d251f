"""What the journeys share: desks that are processes of their own, and the servers around them."""

import asyncio
import itertools
import json
import os
import re
import secrets
import signal
import socket
import sqlite3
import ssl
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, closing, suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from bot.demo.applicant import token_in
from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.room.member import Member

ROOT = Path(__file__).parent.parent.parent
LIMIT = 30.0  # seconds that any one thing may take on a slow machine
SMTP_PASSWORD = "a pass-word of the post"
BOT_PASSWORD = "a pass-word of the bot"
AUTHORITY = trustme.CA()
PORTER = "from bot.terminal import main; main()"
# The same with a clock that is ahead, and leaps as far as stands in the file `leap` when it is told
# to: nobody waits for the hour to end, and none ends before a busy machine is ready for it.
PORTER_AHEAD = (
    "import pathlib, signal, sys, time, time_machine;"
    " clock = time_machine.travel(time.time() + float(sys.argv.pop(1)), tick=True).start();"
    " leap = lambda *_: clock.shift(float(pathlib.Path('leap').read_text()));"
    " signal.signal(signal.SIGUSR1, leap); "
) + PORTER


async def until(found: Callable[[], Any], limit: float = LIMIT) -> Any:
    """What `found` says as soon as it is true; TimeoutError when it never is."""
    async with asyncio.timeout(limit):
        while not (result := found()):
            await asyncio.sleep(0.02)
    return result


class Line(SMTP):
    """One connection to the post, kept at hand to be cut."""

    def __init__(self, post: "Post", **options: Any) -> None:
        super().__init__(post, hostname="mail.test", **options)
        self.post = post

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.post.lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.post.lines.discard(self)


class Post:
    """A real SMTP server that insists on STARTTLS and AUTH."""

    def __init__(self) -> None:
        self.port = free_port()
        self.lines: set[Line] = set()
        self.mails: list[EmailMessage] = []
        self.senders: list[str] = []
        self.pause = 0.0  # seconds before a mail is taken
        self.stuck = ""  # the address whose mail is never taken
        self.under_way = 0
        self.taken: Callable[[EmailMessage], None] = lambda mail: None  # before the server says so
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert("localhost").configure_cert(self._tls)
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._line, "127.0.0.1", self.port)

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        async with asyncio.timeout(LIMIT):
            while self.lines:
                for line in tuple(self.lines):
                    if line.transport is not None:
                        line.transport.abort()
                await asyncio.sleep(0.01)

    def _line(self) -> Line:
        return Line(
            self,
            tls_context=self._tls,
            require_starttls=True,
            auth_required=True,
            authenticator=self._authenticate,
        )

    def _authenticate(self, server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        right = LoginPassword(b"porter", SMTP_PASSWORD.encode())
        return AuthResult(success=session.ssl is not None and data == right, handled=False)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.under_way += 1
        try:
            await asyncio.sleep(3600 if self.stuck in envelope.rcpt_tos else self.pause)
        finally:
            self.under_way -= 1
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        assert [mail["To"]] == envelope.rcpt_tos
        self.mails.append(mail)
        self.senders.append(envelope.mail_from)
        self.taken(mail)
        return "250 OK"

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]

    async def mail_to(self, address: str) -> EmailMessage:
        return (await until(lambda: self.to(address)))[-1]


class Cable:
    """A TCP connection to a server, which a test can cut and mend."""

    def __init__(self, port: int) -> None:
        self.port = free_port()
        self._target = port
        self._server: asyncio.Server | None = None
        self._carrying: set[asyncio.Task[Any]] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def cut(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        carrying = tuple(self._carrying)
        for task in carrying:
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._carry(reader, writer))
        self._carrying.add(task)
        task.add_done_callback(self._carrying.discard)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, away = await asyncio.open_connection("127.0.0.1", self._target)
        try:
            both = {
                asyncio.create_task(self._copy(reader, away)),
                asyncio.create_task(self._copy(there, writer)),
            }
            try:
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for each in both:
                    each.cancel()
                await asyncio.gather(*both, return_exceptions=True)
        finally:
            for end in (writer, away):
                end.transport.abort()
            await asyncio.sleep(0)

    @staticmethod
    async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@dataclass(frozen=True)
class Reply:
    """What the desk answered."""

    status: int
    headers: Any
    text: str

    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def codes(self) -> list[str]:
        return [each["code"] for each in self.json()["errors"]]


class Porter:
    """One process of `porter`. Ended by its pid, never by its name."""

    def __init__(self, process: asyncio.subprocess.Process, config: Path, log: Path) -> None:
        self.config = config
        self._process = process
        self._log = log

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def said(self) -> str:
        return self._log.read_text()

    @property
    def events(self) -> list[dict[str, Any]]:
        """What stands in its log as events."""
        return [json.loads(line) for line in self.said.splitlines() if line.startswith("{")]

    def saw(self, event: str) -> list[dict[str, Any]]:
        return [each for each in self.events if each["event"] == event]

    async def until_said(self, event: str, limit: float = LIMIT) -> list[dict[str, Any]]:
        def look() -> Any:
            assert self._process.returncode is None, self.said
            return self.saw(event)

        return await until(look, limit)

    async def wait(self, limit: float = LIMIT) -> int:
        async with asyncio.timeout(limit):
            return await self._process.wait()

    async def stop(self, limit: float = LIMIT) -> int:
        """End it as a service manager does; its status."""
        self._process.terminate()
        return await self.wait(limit)

    def leap(self) -> None:
        if self._process.returncode is None:
            os.kill(self.pid, signal.SIGUSR1)

    def strike(self) -> None:
        """Pull the plug, now."""
        with suppress(ProcessLookupError):  # it has just ended by itself
            self._process.kill()

    def reload(self, config: dict[str, Any] | str) -> None:
        """Let it read another configuration, or whatever stands in its file then."""
        text = config if isinstance(config, str) else yaml.safe_dump(config)
        self.config.write_text(text)
        os.kill(self.pid, signal.SIGHUP)

    async def kill(self) -> None:
        """Pull the plug, and wait until it is dark."""
        self.strike()
        await self.wait()


class House:
    """A desk's folder, its configuration, and the processes that run on it."""

    def __init__(
        self, folder: Path, config: dict[str, Any], post: Post, session: aiohttp.ClientSession
    ) -> None:
        self.folder = folder
        self.config = config
        self.post = post
        self._session = session
        self.processes: list[Porter] = []
        self.secrets = {SMTP_PASSWORD, BOT_PASSWORD}
        self._numbers = itertools.count()
        self._ips = itertools.count(1)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.config['web']['port']}"

    @property
    def database(self) -> Path:
        return self.folder / self.config["state"] / "porter.db"

    async def start(
        self,
        *words: str,
        config: dict[str, Any] | None = None,
        ahead: float | None = None,
        first: str = "",
        within: Sequence[str] = (),
    ) -> Porter:
        """`porter WORDS` as a process; its clock is `ahead` by so many seconds.

        `first` is Python to run in it before everything else, `within` a command that becomes it.
        """
        number = next(self._numbers)
        file = self.folder / f"config-{number}.yaml"
        file.write_text(yaml.safe_dump(merge(self.config, config or {})))
        log = self.folder / f"log-{number}"
        shift = [first + PORTER] if ahead is None else [first + PORTER_AHEAD, str(ahead)]
        with log.open("wb") as stream:
            process = await asyncio.create_subprocess_exec(
                *(*within, sys.executable, "-c", *shift, "--config", str(file), *words),
                cwd=self.folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
                env={**os.environ, "PYTHONPATH": str(ROOT)},
            )
        porter = Porter(process, file, log)
        self.processes.append(porter)
        return porter

    async def serve(self, *words: str, **more: Any) -> Porter:
        """Start a process with a page, and wait until it is served."""
        porter = await self.start(*(words or ("gateway",)), **more)
        await porter.until_said("page_served")
        return porter

    async def run(self, *words: str) -> str:
        """A command in the operator's terminal; what it said."""
        porter = await self.start(*words)
        assert await porter.wait() == 0, porter.said
        return porter.said

    def leap(self, seconds: float) -> None:
        """Put the clocks of all running processes forward, which must have been `ahead`."""
        (self.folder / "leap").write_text(str(seconds))
        for porter in self.processes:
            porter.leap()

    def address(self) -> str:
        """A visitor's address that nobody had before, each in a neighbourhood of its own."""
        number = next(self._ips)
        return f"11.{number >> 8}.{number & 255}.7"

    async def ask(
        self, name: str, email: str, *, url: str | None = None, html: bool = False, **head: str
    ) -> Reply:
        """Post a request, as JSON or as the page's form."""
        fields = {"requested_username": name, "email": email}
        head = {"X-Forwarded-For": self.address(), **head}
        head["Accept"] = "text/html" if html else "application/json"
        body = {"data": fields} if html else {"json": fields}
        async with self._session.post(
            (url or self.url) + "/register", headers=head, **body
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    async def look(self, path: str = "/", url: str | None = None, **head: str) -> Reply:
        async with self._session.get((url or self.url) + path, headers=head) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    def rows(self, query: str, *values: object) -> list[Any]:
        """What stands in the database, read beside the desk."""
        with closing(sqlite3.connect(self.database, timeout=10)) as connection:
            return connection.execute(query, values).fetchall()

    def statuses(self, email: str) -> list[str]:
        query = "SELECT status FROM registrations WHERE email = ? ORDER BY id"
        return [status for (status,) in self.rows(query, email)]

    @property
    def tokens_in_file(self) -> list[str]:
        """What a homeserver would read now."""
        return (self.folder / "token" / "file").read_text().split()

    def hurry(self) -> None:
        """Let the pauses between two attempts at a mail be over."""
        with closing(sqlite3.connect(self.database, timeout=10)) as connection, connection:
            connection.execute(
                "UPDATE mails SET due_at = created_at WHERE status = 'queued'"
                " AND leased_until IS NULL"
            )

    async def until_nothing_is_owed(self, pause: float = 0.2, limit: float = LIMIT) -> None:
        """Wait for all mails, with a short pause between two attempts."""
        async with asyncio.timeout(limit):
            while self.rows("SELECT 1 FROM mails WHERE status = 'queued'"):
                self.hurry()
                await asyncio.sleep(pause)

    async def close(self) -> None:
        """End what still runs, and look for secrets in all that was said."""
        for porter in self.processes:
            await porter.kill()
        if self.database.exists():
            self.secrets |= {value for (value,) in self.rows("SELECT value FROM tokens")}
        for porter in self.processes:
            said = porter.said
            assert not any(secret in said for secret in self.secrets), f"a secret stands in {said}"


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        known = merged.get(key)
        both = isinstance(value, dict) and isinstance(known, dict)
        merged[key] = merge(known, value) if both else value
    return merged


def text_of(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content())


def token_of(mail: EmailMessage) -> str:
    return token_in(re.sub("\r", "", text_of(mail)))


OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    post = Post()
    await post.start()
    yield post
    await post.stop()
    await asyncio.sleep(0.02)  # TLS connections close in a few turns of the loop


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(
        timeout=aiohttp.ClientTimeout(total=LIMIT), connector=aiohttp.TCPConnector(limit=0)
    ) as session:
        yield session


@pytest.fixture
async def open_house(
    synapse: Synapse, post: Post, session: aiohttp.ClientSession, tmp_path: Path
) -> AsyncIterator[OpenHouse]:
    """Makes desks against the real homeserver, and ends their processes with the test."""
    async with AsyncExitStack() as stack:

        async def open_it(**changes: Any) -> House:
            folder = tmp_path / secrets.token_hex(4)
            (folder / "secrets").mkdir(parents=True)
            AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
            port = free_port()
            operator = f"operator-{secrets.token_hex(4)}"
            admin = await synapse.register_user(operator, "pass-word-1", admin=True)
            for name, secret in (("admin", admin), ("smtp", SMTP_PASSWORD), ("bot", BOT_PASSWORD)):
                (folder / "secrets" / name).write_text(secret + "\n")
            config = {
                "server_name": synapse.server_name,
                "state": "state",
                "bans": "bans",
                "web": {
                    "port": port,
                    "public_url": f"http://localhost:{port}",
                    "trusted_proxies": ["127.0.0.1"],
                },
                "homeserver": {
                    "kind": "synapse",
                    "url": synapse.url,
                    "admin_token_file": "secrets/admin",
                },
                "tokens": {"mode": "per_applicant"},
                "registration": {
                    "limits": dict.fromkeys(
                        ("email", "domain", "ipv4", "network", "ipv6_48", "all")
                    ),
                    "human_check": "off",  # the journeys post by hand
                },
                "addresses": {"mx": False},  # nothing asks the internet
                "smtp": {
                    "host": "localhost",
                    "port": post.port,
                    "username": "porter",
                    "password_file": "secrets/smtp",
                    "from": "The desk <desk@porter.localhost>",
                    "timeout": "5s",
                    "ca_file": "ca.pem",
                },
            }
            house = House(folder, merge(config, changes), post, session)
            house.secrets.add(admin)
            stack.push_async_callback(house.close)
            return house

        yield open_it


@pytest.fixture
async def open_file_house(open_house: OpenHouse) -> AsyncIterator[OpenHouse]:
    """Makes desks with a token file. There is no such server on PyPI: this one knows no names."""

    async def available(request: web.Request) -> web.Response:
        return web.json_response({"available": True})

    app = web.Application()
    app.router.add_get("/_matrix/client/v3/register/available", available)
    async with TestServer(app) as server:

        async def open_it(**changes: Any) -> House:
            homeserver = {
                "kind": "token_file",
                "url": str(server.make_url("")).rstrip("/"),
                "token_file": "token/file",
                "admin_token_file": None,
            }
            tokens = {"mode": "shared"}
            house = await open_house(**merge({"homeserver": homeserver, "tokens": tokens}, changes))
            (house.folder / "token").mkdir()
            return house

        yield open_it


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()


@pytest.fixture
def someone() -> Callable[[], str]:
    """Names that no other test has asked for."""
    return lambda: f"ann-{secrets.token_hex(5)}"


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
async def cable(synapse: Synapse) -> AsyncIterator[Cable]:
    """The homeserver at the end of a cable that is not plugged in yet."""
    cable = Cable(urlsplit(synapse.url).port or 0)
    yield cable
    await cable.cut()


@pytest.fixture
async def moderator(synapse: Synapse, tmp_path: Path) -> AsyncIterator[Member]:
    """A moderator with a client of his own."""
    name = f"mod-{secrets.token_hex(4)}"
    await synapse.register_user(name, "pass-word-1")
    user = f"@{name}:{synapse.server_name}"
    member = Member(synapse.url, user, "pass-word-1", tmp_path / name)
    yield member
    await member.close()


async def moderated(
    open_house: OpenHouse, synapse: Synapse, moderator: Member, **changes: Any
) -> House:
    """A desk with a bot's account, and an encrypted room to which it is invited."""
    mark = secrets.token_hex(4)
    bot, room = f"@porter-{mark}:{synapse.server_name}", f"desk-{mark}"
    await synapse.register_user(f"porter-{mark}", BOT_PASSWORD)
    await moderator.open(room, invite=bot)
    room = f"#{room}:{synapse.server_name}"
    return await open_house(
        bot={"user": bot, "password_file": "secrets/bot", "room": room}, **changes
    )
