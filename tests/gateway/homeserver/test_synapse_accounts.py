"""Accounts of a real Synapse, and what is said when there is none behind the address."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from bot.demo.synapse import Synapse
from gateway.homeserver import synapse_accounts
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.synapse_accounts import SynapseAccounts
from tests.gateway.homeserver.conftest import Serve

PATIENCE = timedelta(seconds=5)


@pytest.fixture
async def directory(synapse: Synapse, session: aiohttp.ClientSession) -> SynapseAccounts:
    admin = await synapse.register_user("accounts-admin", "pass-word-1", admin=True)
    return SynapseAccounts(session, synapse.url, admin, PATIENCE, "porter.localhost")


async def test_accounts_are_listed_newest_first_page_by_page(
    synapse: Synapse, directory: SynapseAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    for number in range(5):
        await synapse.register_user(f"listed{number}", "pass-word-1")
    monkeypatch.setattr(synapse_accounts, "_PAGE", 2)
    found = await directory.newest(before, 100)
    names = [each.name for each in found]
    assert {f"listed{number}" for number in range(5)} <= set(names)
    assert found == sorted(found, key=lambda each: each.created_at, reverse=True)
    assert all(each.created_at >= before for each in found)
    assert len(set(names)) == len(names)
    assert len(await directory.newest(None, 3)) == 3
    (admin,) = [each for each in await directory.newest(None, 1000) if each.is_admin][:1]
    assert admin.name
    assert await directory.newest(datetime.now(UTC) + timedelta(hours=1), 10) == []


async def test_a_person_is_no_application(synapse: Synapse, directory: SynapseAccounts) -> None:
    await synapse.register_user("person", "pass-word-1")
    assert not await directory.is_application("person")
    assert not await directory.is_application("nobody-here")
    assert not await directory.is_application("../x?y#z")


async def test_a_bridges_account_is_told(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def one(request: web.Request) -> web.Response:
        assert request.raw_path == "/_synapse/admin/v2/users/%40irc_x%3Ax.org"
        return web.json_response({"name": "@irc_x:x.org", "appservice_id": "irc"})

    directory = SynapseAccounts(session, await serve(one), "syt", PATIENCE, "x.org")
    assert await directory.is_application("irc_x")


USER = {"name": "@a:x.org", "creation_ts": 1_700_000_000_000}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"users": None},
        {"users": {"a": 1}},
        {"users": ["@a:x.org"]},
        {"users": [{"name": "@a:x.org"}]},
        {"users": [USER, USER | {"creation_ts": "soon"}]},
        {"users": [USER | {"creation_ts": True}]},
        {"users": [USER | {"creation_ts": 10**30}]},
        {"users": [USER | {"name": 7}]},
    ],
)
async def test_a_list_that_is_none_is_one_sentence(
    session: aiohttp.ClientSession, serve: Serve, body: object
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body)

    directory = SynapseAccounts(session, await serve(answer), "syt", PATIENCE, "x.org")
    with pytest.raises(HomeserverError, match="a list of accounts that is none"):
        await directory.newest(None, 10)


@pytest.mark.parametrize(
    ("status", "text", "kind", "said"),
    [
        (502, "<h1>Bad Gateway</h1>", "text/html", "answered 502 with something"),
        (200, '{"users": [', "application/json", "answered 200 with something"),
        (429, '{"errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": 500}', "application/json", "slow"),
        (403, '{"errcode": "M_FORBIDDEN"}', "application/json", "homeserver.admin_token"),
        (404, '{"errcode": "M_UNRECOGNIZED"}', "application/json", "does not offer"),
        (500, '{"errcode": "M_UNKNOWN"}', "application/json", "did not list its accounts"),
    ],
)
async def test_a_refusal_is_one_sentence(
    session: aiohttp.ClientSession, serve: Serve, status: int, text: str, kind: str, said: str
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, content_type=kind)

    directory = SynapseAccounts(session, await serve(answer), "syt", PATIENCE, "x.org")
    with pytest.raises(HomeserverError, match=said):
        await directory.newest(None, 10)


async def test_a_list_without_end_ends(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def again(request: web.Request) -> web.Response:
        start = int(request.query["from"])
        users = [
            {"name": f"@u{start + n}:x.org", "creation_ts": 1_700_000_000_000} for n in range(200)
        ]
        return web.json_response({"users": users, "next_token": "0"})

    directory = SynapseAccounts(session, await serve(again), "syt", PATIENCE, "x.org")
    assert len(await directory.newest(None, 450)) == 450
