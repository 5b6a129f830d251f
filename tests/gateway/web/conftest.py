"""What the tests of the web door share: settings, and a strict desk behind the door."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient
from playwright.async_api import Browser, async_playwright

from gateway.rules.networks import IPAddress
from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import Application, Refusal
from gateway.settings.settings import Settings
from gateway.stories.registration import Verdict
from gateway.web.server import build

CHROMIUM = os.environ.get("PORTER_TEST_CHROMIUM") or shutil.which("chromium") or "chromium"
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A name that is not this machine's own: there, browsers send no Sec-Fetch-Site over HTTP.
    "--host-resolver-rules=MAP desk.test 127.0.0.1",
)
NOW = datetime(2026, 11, 24, 19, 44, 30, tzinfo=UTC)
SEALED = "17.0123456789abcdef0123456789abcdef"


class FakeDesk:
    """A Reception that says what it was told to say, and remembers who applied."""

    def __init__(self) -> None:
        self.state = Opening(is_open=True, changes_at=datetime(2026, 11, 24, 23, 25, tzinfo=UTC))
        self.refusals: tuple[Refusal, ...] = ()
        self.is_looked_at = False
        self.is_busy = False
        self.mail_pace = Pace()
        self.failure: Exception | None = None
        self.problems: list[str] = []
        self.handed_out = 0  # pages with a token
        self.applications: list[Application] = []
        self.pressed: list[tuple[str, str]] = []  # where, on links that were signed

    async def opening(self) -> Opening:
        return self.state

    async def apply(self, application: Application) -> Verdict:
        assert isinstance(application, Application)
        self.applications.append(application)
        if self.failure is not None:
            raise self.failure
        return Verdict(self.refusals, self.is_looked_at)

    async def challenge(self, ip: IPAddress) -> dict[str, object]:
        return {"for": str(ip)}

    def form_token(self) -> str:
        self.handed_out += 1
        return f"token-{self.handed_out}"

    async def is_unwanted_link(self, sealed: str) -> bool:
        if self.failure is not None:
            raise self.failure
        return sealed == SEALED

    async def refuse_mail(self, sealed: str, ip: IPAddress) -> bool:
        if not await self.is_unwanted_link(sealed):
            return False
        self.pressed.append((sealed, str(ip)))
        return True

    async def pace(self) -> Pace:
        return self.mail_pace

    async def faults(self) -> list[str]:
        return list(self.problems)


class Clock:
    """The time, which stands still until it is moved."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def desk() -> FakeDesk:
    return FakeDesk()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings with the given keys under `web`."""

    def make(server_name: str = "example.org", human_check: str = "off", **web: Any) -> Settings:
        return Settings.model_validate(
            {
                "server_name": server_name,
                "state": "state",
                "bans": "bans",
                "web": {key: str(v) if isinstance(v, Path) else v for key, v in web.items()},
                "homeserver": {"kind": "synapse", "url": "http://[::1]:8008", "admin_token": "x"},
                "registration": {"human_check": human_check},
                "smtp": {"host": "localhost", "from": "desk@example.org"},
            },
            context={"folder": tmp_path},
        )

    return make


@pytest.fixture
def open_door(
    aiohttp_client: Any, desk: FakeDesk, clock: Clock, make_settings: Callable[..., Settings]
) -> Callable[..., Awaitable[TestClient]]:
    """A client of the door, whose settings have the given keys under `web`."""

    async def open_it(**web: Any) -> TestClient:
        return await aiohttp_client(build(make_settings(**web), desk, clock=clock))

    return open_it


@pytest.fixture
async def client(open_door: Callable[..., Awaitable[TestClient]]) -> TestClient:
    return await open_door()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a module, which run on its loop: to start one takes a second."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        await browser.close()


def unexpected(complaints: list[str]) -> list[str]:
    """What a browser complained of, but for what is as it should be.

    Its console mentions the status of a refused form, and that plain HTTP does without one of our
    headers.
    """
    own = (
        "Failed to load resource: the server responded with a status of ",
        "The Cross-Origin-Opener-Policy header has been ignored",
    )
    return [each for each in complaints if not each.startswith(own)]
