"""What the tests of the web door share: settings, and a strict desk behind the door."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import Application, Refusal
from gateway.settings.settings import Settings
from gateway.stories.registration import Verdict
from gateway.web.server import build

NOW = datetime(2026, 11, 24, 19, 44, 30, tzinfo=UTC)


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
        self.applications: list[Application] = []

    async def opening(self) -> Opening:
        return self.state

    async def apply(self, application: Application) -> Verdict:
        assert isinstance(application, Application)
        self.applications.append(application)
        if self.failure is not None:
            raise self.failure
        return Verdict(self.refusals, self.is_looked_at)

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

    def make(server_name: str = "example.org", **web: Any) -> Settings:
        return Settings.model_validate(
            {
                "server_name": server_name,
                "state": "state",
                "bans": "bans",
                "web": {key: str(v) if isinstance(v, Path) else v for key, v in web.items()},
                "homeserver": {"kind": "synapse", "url": "http://[::1]:8008", "admin_token": "x"},
                "registration": {"human_check": "off"},
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
