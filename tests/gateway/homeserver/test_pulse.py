"""Whether the homeserver is there, and lets us do our work."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.mas import Mas as MasEdge
from gateway.homeserver.pulse import Pulse
from tests.gateway.conftest import MailServer, synapse_at
from tests.stand_ins.mas import Mas

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


async def test_a_service_that_signs_people_up_is_asked_too(
    service: Mas, edge: Any, serve: Any, session: aiohttp.ClientSession
) -> None:
    async def versions(request: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1.11"]})

    homeserver = MasEdge(edge.api(), PATIENCE, at_once=1)
    whole = Pulse(session, await serve(versions), PATIENCE, homeserver)
    await whole.check()
    service.sessions.clear()
    await whole.check()
    service.sessions.clear()
    service.clients.clear()
    with pytest.raises(HomeserverError, match=r"homeserver\.client_id"):
        await whole.check()
    await service.stop()
    with pytest.raises(HomeserverError, match="cannot be reached"):
        await whole.check()
