"""Whether the homeserver is there, and lets us do our work."""

from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.pulse import Pulse
from tests.gateway.conftest import MailServer, synapse_at

PATIENCE = timedelta(seconds=5)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def pulse(session: aiohttp.ClientSession, url: str, admin_token: str) -> Pulse:
    return Pulse(session, url, PATIENCE, synapse_at(session, url, admin_token))


async def test_a_homeserver_that_takes_our_token_is_well(
    synapse: Synapse, session: aiohttp.ClientSession
) -> None:
    admin_token = await synapse.register_user("pulse-admin", "pass-word-1", admin=True)
    await pulse(session, synapse.url, admin_token).check()


async def test_one_that_refuses_it_is_not(synapse: Synapse, session: aiohttp.ClientSession) -> None:
    with pytest.raises(HomeserverError, match=r"does not accept homeserver\.admin_token"):
        await pulse(session, synapse.url, "syt_nonsense").check()


async def test_one_that_is_away_is_not(session: aiohttp.ClientSession) -> None:
    with pytest.raises(HomeserverError, match="cannot be reached"):
        await pulse(session, f"http://127.0.0.1:{free_port()}", "syt_admin").check()


async def test_what_is_no_homeserver_is_not(
    session: aiohttp.ClientSession, post: MailServer
) -> None:
    with pytest.raises(HomeserverError):
        await pulse(session, f"http://127.0.0.1:{post.port}", "syt_admin").check()
