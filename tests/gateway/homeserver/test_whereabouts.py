"""Where a user and a host are: asked of a real Synapse, and never fatal."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import aiohttp
import pytest

from bot.demo.synapse import Synapse
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.whereabouts import PATIENCE, Whereabouts, _addresses

SINCE = datetime.now(UTC) - timedelta(days=1)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_synapse_knows_from_where_its_users_were_connected(
    synapse: Synapse, session: aiohttp.ClientSession
) -> None:
    admin = await synapse.register_user("where-admin", "pass-word-1", admin=True)
    headers = {"Authorization": f"Bearer {admin}"}
    async with session.get(f"{synapse.url}/_matrix/client/v3/sync", headers=headers) as answer:
        assert answer.status == 200
    whereabouts = Whereabouts(AdminApi(session, synapse.url, admin, PATIENCE))
    me = "@where-admin:porter.localhost"
    assert await whereabouts.of_user(me, SINCE) == {ip_address("127.0.0.1")}
    assert await whereabouts.of_user(me, datetime.now(UTC) + timedelta(days=1)) == set()
    assert await whereabouts.of_user("@nobody:porter.localhost", SINCE) == set()
    assert await whereabouts.of_user("@ann:elsewhere.example", SINCE) == set()
    wrong = AdminApi(session, synapse.url, "wrong", PATIENCE)
    assert await Whereabouts(wrong).of_user(me, SINCE) == set()
    assert await Whereabouts(None).of_user(me, SINCE) == set()


async def test_a_homeserver_that_is_away_is_no_hindrance(session: aiohttp.ClientSession) -> None:
    whereabouts = Whereabouts(AdminApi(session, "http://127.0.0.1:9", "token", PATIENCE))
    assert await whereabouts.of_user("@ann:example.org", SINCE) == set()


async def test_a_host_is_found_by_its_address_or_name() -> None:
    whereabouts = Whereabouts(None)
    assert await whereabouts.of_host("203.0.113.7") == {ip_address("203.0.113.7")}
    assert ip_address("127.0.0.1") in await whereabouts.of_host("localhost")
    assert await whereabouts.of_host("a" * 300) == set()


def test_nonsense_in_an_answer_is_left_out() -> None:
    connections = [
        {"ip": "203.0.113.7", "last_seen": 2000},
        {"ip": "203.0.113.8", "last_seen": 1},
        {"ip": "203.0.113.9"},
        {"ip": "nonsense", "last_seen": 2000},
        {"ip": None, "last_seen": "soon"},
        "x",
    ]
    whois = {"devices": {"": {"sessions": [{"connections": connections}]}, "X": None}}
    assert set(_addresses(whois, 1000)) == {ip_address("203.0.113.7")}
