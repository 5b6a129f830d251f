"""What the tests share: one real homeserver for the whole run, and stand-ins for others."""

import asyncio
import os
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import hypothesis
import pytest

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from tests.stand_ins.front_door import FrontDoor

# A busy machine is no fault of the code.
hypothesis.settings.register_profile("porter", deadline=None)
hypothesis.settings.load_profile("porter")

Stand = Callable[..., Awaitable[FrontDoor]]


@pytest.fixture(autouse=True)
def _umask() -> Iterator[None]:
    """What `porter` makes is its owner's alone; what the tests make after it is as ever."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def seed() -> int:
    """What a test's chances come from: told, so that they can be had again."""
    seed = int(os.environ.get("PORTER_TORTURE_SEED") or secrets.randbelow(1 << 32))
    print(f"\nPORTER_TORTURE_SEED={seed}")
    return seed


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A real Synapse, started by the first test that asks for it, in a folder of its own.

    Tests share it, so each picks names and tokens that no other test uses.
    """
    server = Synapse(tmp_path_factory.mktemp("synapse"), "porter.localhost", free_port())
    # A loop of its own: the tests' loops come and go, the server stays.
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            yield server
        finally:
            runner.run(server.stop())


@pytest.fixture
async def stand() -> AsyncIterator[Stand]:
    """Starts a stand-in for what a server of a kind and version says of itself."""
    doors = []

    async def start(kind: str, version: str, **more: object) -> FrontDoor:
        door = FrontDoor(kind, version, **more)  # type: ignore[arg-type]
        await door.start()
        doors.append(door)
        return door

    yield start
    for door in doors:
        await door.stop()
