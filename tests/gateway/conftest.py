"""What the tests of the stories share: a clock turned by hand, a house of real parts, and the
strict stand-ins of the two servers behind it."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from aiosmtpd.smtp import SMTP

from bot.demo.applicant import Applicant
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import (
    Abilities,
    Account,
    HomeserverError,
    Issued,
    NameAvailability,
    Restriction,
    Token,
    TokenSource,
    TokenState,
    Unable,
)
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.synapse import Synapse
from gateway.mail.compose import Composer
from gateway.mail.delivery import Mailer
from gateway.mail.exchangers import Exchangers
from gateway.rules.bans import Kind, parse_line
from gateway.rules.evidence import NO_EVIDENCE, Evidence
from gateway.rules.screening import Application, Refusal
from gateway.rules.tokens import Schedule
from gateway.settings.config import parse
from gateway.settings.settings import Settings
from gateway.store import alerts, audit, outbox, registrations, tokens
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database
from gateway.store.keyring import Keyring
from gateway.store.registrations import Registration
from gateway.stories.accounts.restricting import Restricting
from gateway.stories.accounts.watcher import AccountWatcher
from gateway.stories.burst_watch import BurstWatch
from gateway.stories.courier import Courier
from gateway.stories.destinations import Destinations
from gateway.stories.hours import Hours
from gateway.stories.human.human_check import HumanCheck
from gateway.stories.registration import Registrar, Verdict
from gateway.stories.resending import Resending
from gateway.stories.review import Reviews
from gateway.stories.tokens.rotation import Rotation
from gateway.stories.unsaved import Unsaved
from gateway.stories.unwanted import Unwanted
from gateway.stories.vigil import Vigil, servers

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


class HandClock:
    """The time, which stands still until it is turned, also backwards."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def turn(self, **span: float) -> None:
        self.now += timedelta(**span)


def synapse_at(
    session: aiohttp.ClientSession, url: str, admin_token: str, patience: float = 5
) -> Synapse:
    """The edge to a Synapse."""
    timeout = timedelta(seconds=patience)
    names = CarefulNames(registrable(session, url, timeout), timeout, at_once=2)
    return Synapse(AdminApi(session, url, admin_token, timeout), names, "porter.localhost")


class StrictTokens:
    """A TokenSource with a memory: what was revoked never comes back, and a repetition asks for
    the same again. `moods` says how the next calls go: "fine", "before" (it fails and nothing
    happened), "after" (it happened, and the answer was lost).
    """

    abilities = Abilities("a strict homeserver", lists_accounts=True)

    def __init__(self) -> None:
        self.in_force: dict[str, Token] = {}
        self.wishes: dict[str, Token] = {}
        self.revoked: set[str] = set()
        self.moods: deque[str] = deque()
        self.calls: list[str] = []
        self.used_up: set[str] = set()
        self.used: dict[str, int] = {}  # of those that were used otherwise than once
        self.is_down = False
        self.before_issue: Callable[[], Awaitable[object]] | None = None

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        self.calls.append(f"issue {token.value}")
        if self.before_issue is not None:
            hook, self.before_issue = self.before_issue, None
            await hook()
        mood = await self._mood()
        assert self.wishes.setdefault(token.value, token) == token
        if token.uses is None:
            assert token.value not in self.revoked, "a dead shared token came back"
        self.in_force[token.value] = token
        for value in instead_of:
            self._drop(value)
        self._answer(mood)
        return Issued(token.value)

    async def check(self) -> None:
        if self.is_down:
            raise HomeserverError("the homeserver is away")

    async def state(self, value: str) -> TokenState:
        if self.is_down:
            raise HomeserverError("the homeserver is away")
        self.calls.append(f"state {value}")
        is_used_up = value in self.used_up
        used = self.used.get(value, int(is_used_up))
        is_there = value in self.in_force
        return TokenState(used if is_there else None, is_used_up, is_gone=not is_there)

    async def revoke(self, value: str) -> None:
        self.calls.append(f"revoke {value}")
        mood = await self._mood()
        self._drop(value)
        self._answer(mood)

    def _drop(self, value: str) -> None:
        self.in_force.pop(value, None)
        self.revoked.add(value)

    async def _mood(self) -> str:
        await asyncio.sleep(0)
        mood = self.moods.popleft() if self.moods else "fine"
        if self.is_down or mood == "before":
            raise HomeserverError("the homeserver is away")
        return mood

    def _answer(self, mood: str) -> None:
        if mood == "after":
            raise HomeserverError("the answer was lost")


class ToldNames:
    """Names that say what they were told to, FREE else, and remember what they were asked."""

    def __init__(self) -> None:
        self.answers: dict[str, NameAvailability] = {}
        self.usual = NameAvailability.FREE
        self.asked: list[str] = []
        self.before_answer: Callable[[], Awaitable[object]] | None = None

    async def availability(self, name: str) -> NameAvailability:
        self.asked.append(name)
        if self.before_answer is not None:
            await self.before_answer()
        return self.answers.get(name, self.usual)


class ToldDirectory:
    """A directory with the accounts that it was told of, made when the clock said so. What is
    restricted stays so; `is_down` keeps it from answering, `loses_answers` changes all the same."""

    def __init__(self, clock: Callable[[], datetime], *, lists: bool = False) -> None:
        self.abilities = Abilities(
            "a told homeserver",
            lists_accounts=lists,
            restricts=frozenset(Restriction),
            lifts=frozenset({Restriction.LOCKED, Restriction.SUSPENDED}),
        )
        self.clock = clock
        self.accounts: dict[str, Account] = {}
        self.calls: list[str] = []
        self.is_down = False
        self.loses_answers = False

    def open(self, *names: str, **known: Any) -> None:
        for name in names:
            known = {"created_at": self.clock(), "restrictions": frozenset()} | known
            self.accounts[name] = Account(name, **known)

    async def own_names(self) -> frozenset[str]:
        self._call("own names")
        return frozenset({"admin"})

    async def account(self, name: str) -> Account | None:
        self._call(f"account {name}")
        return self.accounts.get(name)

    async def availability(self, name: str) -> NameAvailability:
        return NameAvailability.TAKEN if name in self.accounts else NameAvailability.FREE

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        self._call("newest")
        if not self.abilities.lists_accounts:
            raise Unable("a told homeserver does not list its accounts")
        made = sorted(self.accounts.values(), key=lambda each: each.created_at or NOW)[::-1]
        return [
            replace(each, is_application=False, restrictions=None)
            for each in made
            if (since is None or (each.created_at or NOW) >= since)
            and Restriction.DEACTIVATED not in (each.restrictions or ())
        ][:most]

    async def restrict(self, name: str, restriction: Restriction) -> None:
        self._change(name, restriction, True)

    async def lift(self, name: str, restriction: Restriction) -> None:
        self._change(name, restriction, False)

    def _change(self, name: str, restriction: Restriction, is_on: bool) -> None:
        self._call(f"{'restrict' if is_on else 'lift'} {name} {restriction}")
        wanted = self.abilities.restricts if is_on else self.abilities.lifts
        if restriction not in wanted:
            raise Unable("a told homeserver cannot")
        if name not in self.accounts:
            raise HomeserverError("a told homeserver has no such account")
        before = self.accounts[name]
        now = (before.restrictions or frozenset()) - {restriction}
        after = now | {restriction} if is_on else now
        self.accounts[name] = replace(before, restrictions=after)
        if self.loses_answers:
            raise HomeserverError("the answer was lost")

    def _call(self, call: str) -> None:
        self.calls.append(call)
        if self.is_down:
            raise HomeserverError("the homeserver is away")


class MailServer:
    """A real SMTP server on loopback. `answers` are given to the next DATA commands."""

    def __init__(self) -> None:
        self.port = 0
        self.mails: list[EmailMessage] = []
        self.answers: deque[str] = deque()
        self.pause = 0.0
        self.arrived = asyncio.Event()
        self.at_once = self.most_at_once = 0
        self.lines: set[SMTP] = set()

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._line, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for line in self.lines:
            if line.transport is not None:
                line.transport.abort()
        self.lines.clear()
        await asyncio.sleep(0.01)

    def _line(self) -> SMTP:
        line = SMTP(self, hostname="mail.test")
        self.lines.add(line)
        return line

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.arrived.set()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(self.pause)
        finally:
            self.at_once -= 1
        answer = self.answers.popleft() if self.answers else "250 OK"
        if answer.startswith("2"):
            mail = message_from_bytes(envelope.content, policy=default)
            assert isinstance(mail, EmailMessage)
            assert mail["To"] == ", ".join(envelope.rcpt_tos)
            self.mails.append(mail)
        return answer

    def to(self, address: str) -> list[EmailMessage]:
        return [mail for mail in self.mails if mail["To"] == address]


async def register(session: aiohttp.ClientSession, url: str, name: str, token: str) -> bool:
    """Open an account as any Matrix client does; whether it worked."""
    applicant = Applicant(session, "", url, "203.0.113.7")
    status, _ = await applicant.open_account(name, token)
    return status == 200


def text_of(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        known = merged.get(key)
        both = isinstance(value, dict) and isinstance(known, dict)
        merged[key] = merge(known, value) if both else value
    return merged


@dataclass
class House:
    """The parts of one desk, on one database, and what a test asks of them."""

    settings: Settings
    database: Database
    bans: BanFiles
    clock: HandClock
    source: Any
    names: Any
    hours: Hours
    rotation: Rotation
    burst_watch: BurstWatch
    vigil: Vigil
    registrar: Registrar
    resending: Resending
    reviews: Reviews
    mailer: Mailer
    courier: Courier
    accounts: AccountWatcher
    directory: Any
    restricting: Restricting
    human_check: HumanCheck
    unwanted: Unwanted
    bell: asyncio.Event = field(default_factory=asyncio.Event)

    async def apply(
        self, name: str = "ann", email: str = "ann@example.net", ip: str = "203.0.113.7"
    ) -> tuple[Refusal, ...]:
        return (await self.hear(name, email, ip)).refusals

    async def hear(
        self,
        name: str = "ann",
        email: str = "ann@example.net",
        ip: str = "203.0.113.7",
        evidence: Evidence = NO_EVIDENCE,
    ) -> Verdict:
        application = Application(name, email, ip_address(ip), evidence=evidence)
        return await self.registrar.apply(application)

    async def codes(self, *typed: str, **more: str) -> list[str]:
        return [each.code.value for each in await self.apply(*typed, **more)]

    async def rows(self) -> list[Registration]:
        """All registrations, oldest first."""
        return await self.database.read(lambda c: [*registrations.every(c)])

    async def statuses(self) -> list[str]:
        return [row.status.value for row in await self.rows()]

    async def mails(self, registration_id: int = 1) -> list[outbox.Attempt]:
        return await self.database.read(lambda c: outbox.history(c, registration_id))

    async def owed(self) -> int:
        return (await self.database.read(outbox.depth))[0]

    async def alerts(self) -> dict[str, tuple[int, str]]:
        await self.burst_watch.tell()
        found = await self.database.read(lambda c: alerts.pending(c, self.clock(), 100))
        assert len({alert.cause for alert in found}) == len(found)
        return {alert.cause: (alert.count, alert.text) for alert in found}

    async def audited(self) -> list[tuple[str, str, str]]:
        """Who, action and subject, oldest first."""
        found = await self.database.read(lambda c: audit.search(c, most=100))
        return [(entry.who, entry.action, entry.subject) for entry in found][::-1]

    async def ban(self, kind: str, value: str) -> None:
        ban = parse_line(Kind(kind), value)
        assert ban is not None
        await self.bans.add([ban])

    async def use_token(self, registration_id: int, times: int = 1) -> None:
        """The homeserver counts accounts that were opened with an applicant's own token."""
        token = await self.database.read(lambda c: tokens.of(c, registration_id))
        assert token is not None
        self.source.used_up.add(token.value)
        self.source.used[token.value] = times

    async def deliver(self) -> None:
        """Attempt every mail that is due, one after the other."""
        for mail in await self.courier.claim(1000):
            await self.courier.deliver(mail)


OpenHouse = Callable[..., Awaitable[House]]


@pytest.fixture(autouse=True)
def _brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for seconds until somebody else has rotated."""
    monkeypatch.setattr("gateway.stories.tokens.shared_token._TRY_PAUSE", 0.002)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def post() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def make_settings(tmp_path: Path, post: MailServer) -> Callable[..., Settings]:
    """Settings out of YAML, with the given sections changed."""

    def make(**changes: Any) -> Settings:
        whole = {
            "server_name": "example.org",
            "state": "state",
            "bans": "bans",
            "homeserver": {
                "kind": "synapse",
                "url": "http://127.0.0.1:9",
                "admin_token": "syt_admin",
            },
            "tokens": {"mode": "per_applicant", "valid_for": "7d"},
            # The tests post by hand, and often from one place.
            "registration": {
                "human_check": "off",
                "limits": dict.fromkeys(("email", "domain", "ipv4", "ipv6_48")),
            },
            "addresses": {"mx": False},
            "smtp": {
                "host": "127.0.0.1",
                "port": post.port,
                "security": "none",
                "from": "desk@example.org",
                "timeout": "5s",
            },
        }
        return parse(yaml.safe_dump(merge(whole, changes)), tmp_path, {})

    return make


@pytest.fixture
async def open_house(
    make_settings: Callable[..., Settings], clock: HandClock
) -> AsyncIterator[OpenHouse]:
    """Opens houses, and closes them after the test. A second one stands on the same files."""
    opened: list[House] = []

    async def open_it(
        *,
        source: TokenSource | None = None,
        names: Any = None,
        directory: Any = None,
        **changes: Any,
    ) -> House:
        settings = make_settings(**changes)
        database = Database(settings.state / "porter.db")
        database.open()
        keyring = Keyring(settings.state / "keys")
        keyring.open(clock())
        settings.bans.mkdir(exist_ok=True)
        bans = BanFiles(settings.bans)
        bans.load()
        names = names or ToldNames()
        source = source or StrictTokens()
        directory = directory or ToldDirectory(clock)
        schedule = None
        if settings.shares_token and settings.tokens.rotation is not None:
            schedule = Schedule(settings.tokens.rotation, settings.tokens.downtime)
        bell = asyncio.Event()
        hours = Hours(database, schedule, clock)
        rotation = Rotation(
            settings=settings,
            database=database,
            source=source,
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
            names=names,
            human_check=human_check,
            burst_watch=burst_watch,
            unsaved=unsaved,
            wake=bell.set,
            clock=clock,
        )
        mailer = Mailer(
            host=settings.smtp.host,
            port=settings.smtp.port,
            security=settings.smtp.security,
            username=None,
            password=None,
            sender=settings.smtp.sender,
            timeout=settings.smtp.timeout,
            connections=settings.smtp.connections,
        )
        unwanted = Unwanted(settings.web.public_url, database, keyring, clock)
        composer = Composer(
            server_name=settings.server_name,
            sender=settings.smtp.sender,
            subject=settings.mail.subject,
            public_url=settings.web.public_url,
            homeserver_url=settings.homeserver.url,
        )
        courier = Courier(
            settings=settings,
            database=database,
            bans=bans,
            names=names,
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
        vigil = Vigil(
            settings=settings,
            database=database,
            servers=servers(mailer.check, source.check),
            unsaved=unsaved,
            clock=clock,
        )
        accounts = AccountWatcher(
            database=database,
            source=source,
            names=names,
            directory=directory,
            home=settings.homeserver.identity,
            own=settings.own_name,
            watched_for=timedelta(days=8),
            clock=clock,
            breath=0,
        )
        house = House(
            settings,
            database,
            bans,
            clock,
            source,
            names,
            hours,
            rotation,
            burst_watch,
            vigil,
            registrar,
            Resending(settings.smtp.domain, database, unwanted, bell.set, clock),
            Reviews(
                settings=settings, database=database, unwanted=unwanted, wake=bell.set, clock=clock
            ),
            mailer,
            courier,
            accounts,
            directory,
            Restricting(settings, database, directory, unwanted, bell.set, clock),
            human_check,
            unwanted,
            bell,
        )
        opened.append(house)
        return house

    yield open_it
    for house in opened:
        await house.mailer.close()
        await house.database.close()


@pytest.fixture
async def house(open_house: OpenHouse) -> House:
    return await open_house()


@pytest.fixture
async def shared(open_house: OpenHouse) -> House:
    """A house whose shared token rotates at midnight."""
    return await open_house(tokens={"mode": "shared", "rotation": "0 0 * * *"})


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = 5) -> None:
    """Wait until `condition` holds; fail when it does not in time."""
    async with asyncio.timeout(seconds):
        while not await condition():
            await asyncio.sleep(0.01)
