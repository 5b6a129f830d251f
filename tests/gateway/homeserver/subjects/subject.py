"""What the contract is tried on: a kind of homeserver, the edge to it, and what its people see."""

import os
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from bot.demo.synapse import Synapse
from gateway.homeserver.homeserver import Homeserver, Restriction
from gateway.homeserver.names import CarefulNames, registrable
from tests.gateway.conftest import register

PATIENCE = timedelta(seconds=10)  # of the edge; a fault that is waited for takes BRIEF
BRIEF = timedelta(seconds=0.3)


class Subject:
    """One kind with one way for its tokens to get in. Each kind has its own below this folder.

    `url` is where its people sign up. `faults` can befall the edge's next question (`go_wrong`);
    after those in `done` the wish is fulfilled. `ends_tokens`: it minds a token's expiry itself,
    within `lag` seconds.
    """

    homeserver: Homeserver
    url: str
    faults: tuple[str, ...] = ()
    done: tuple[str, ...] = ()
    ends_tokens = False
    lag = 0.1

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def open_account(self, name: str, token: str) -> bool:
        """Sign up as any client does; whether it worked."""
        return await register(self.session, self.url, name, token)

    async def values(self) -> set[str]:
        """The tokens that would open an account now."""
        raise NotImplementedError

    def go_wrong(self, fault: str) -> None:
        """Let the next question meet one of the `faults`."""
        raise NotImplementedError

    async def restrictions(self, name: str) -> set[Restriction]:
        """What keeps somebody from his account, as far as the homeserver tells."""
        account = await self.homeserver.account(name)
        assert account is not None and account.restrictions is not None
        return set(account.restrictions)

    def impatient(self) -> Homeserver:
        """The edge again, that waits for BRIEF only. Where nothing is waited for: the edge."""
        return self.homeserver


@dataclass(frozen=True)
class Ground:
    """What a subject stands on. `synapse` runs only for the kinds that ask for it."""

    folder: Path
    session: aiohttp.ClientSession
    monkeypatch: pytest.MonkeyPatch
    synapse: Synapse | None = None


Open = Callable[[Ground], AbstractAsyncContextManager[Subject]]


def names_at(
    session: aiohttp.ClientSession, url: str, timeout: timedelta = PATIENCE
) -> CarefulNames:
    """Names as the client API tells."""
    return CarefulNames(registrable(session, url, timeout), timeout, at_once=2)


def given(kind: str, what: str = "") -> str | None:
    """What the environment says of a real server: PORTER_TEST_KIND, PORTER_TEST_KIND_WHAT."""
    return os.environ.get(_variable(kind, what)) or None


def needed(kind: str, what: str) -> str:
    """The same, which a real server's tests cannot do without."""
    value = given(kind, what)
    if value is None:
        pytest.fail(f"{_variable(kind)} is set, so {_variable(kind, what)} is needed too")
    return value


def _variable(kind: str, what: str = "") -> str:
    return "_".join(part.upper() for part in ("porter_test", kind, what) if part)
