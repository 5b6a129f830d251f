"""A desk with real files, and a moderator who types."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from itertools import count
from pathlib import Path

import pytest

from bot.answers import Answer
from bot.console import Console
from gateway.app import open_desk
from gateway.desk import Desk
from gateway.rules.screening import Application, Refusal
from gateway.settings.config import parse
from gateway.settings.settings import Settings
from gateway.store.audit import Author
from tests.gateway.conftest import ToldDirectory

CONFIG = """
server_name: example.org
state: state
bans: bans
homeserver: {kind: token_file, url: "http://127.0.0.1:1", token_file: token}
tokens: {mode: shared}
registration:
  human_check: "off"
  limits: {email: null, domain: null, ipv4: null, ipv6_48: null}
addresses: {mx: false}
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
"""

Type = Callable[..., Awaitable[Answer]]
Apply = Callable[..., Awaitable[tuple[Refusal, ...]]]


class Clock:
    """A clock that stands until it is turned."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def turn(self, span: timedelta) -> None:
        self.now += span


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return parse(CONFIG, tmp_path, {})


@pytest.fixture
async def desk(settings: Settings, clock: Clock) -> AsyncIterator[Desk]:
    async with open_desk(settings, clock) as desk:
        yield desk


@pytest.fixture
def typed(desk: Desk) -> Type:
    """Type a line as a moderator."""
    console, numbers = Console(desk), count(1)

    async def type_line(text: str, who: str = "@mod:example.org") -> Answer:
        return await console.type(text, Author(who, f"$event{next(numbers)}"))

    return type_line


@pytest.fixture
def apply(desk: Desk) -> Apply:
    """Ask for an account."""

    async def ask(
        name: str = "ann", email: str = "ann@example.net", ip: str = "203.0.113.7"
    ) -> tuple[Refusal, ...]:
        return (await desk.apply(Application(name, email, ip_address(ip)))).refusals

    return ask


@pytest.fixture
def directory(desk: Desk, clock: Clock) -> ToldDirectory:
    """The accounts of the homeserver that the desk stands before."""
    directory = ToldDirectory(clock)
    object.__setattr__(desk, "homeserver", directory)
    desk.restricting.abilities = directory.abilities
    desk.restricting.enforcement._directory = directory
    return directory
