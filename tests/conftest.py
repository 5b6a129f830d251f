"""What the tests share: one real homeserver for the whole run."""

import asyncio
from collections.abc import Iterator

import pytest

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse


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
