"""Accounts of a real Synapse, and what is said when there is none behind the address."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from bot.demo.synapse import Synapse
from gateway.homeserver import synapse_accounts
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import HomeserverError, Restriction, Unable
from gateway.homeserver.synapse_accounts import SynapseAccounts
from tests.gateway.homeserver.conftest import Serve

PATIENCE = timedelta(seconds=5)


@pytest.fixture
async def directory(synapse: Synapse, session: aiohttp.ClientSession) -> SynapseAccounts:
    admin = await synapse.register_user("accounts-admin", "pass-word-1", admin=True)
    return SynapseAccounts(AdminApi(session, synapse.url, admin, PATIENCE), "porter.localhost")


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
    found = await directory.account("person")
    assert found is not None and not found.is_application and not found.restrictions
    assert found.created_at is not None
    assert timedelta() <= datetime.now(UTC) - found.created_at < timedelta(minutes=5)
    assert await directory.account("nobody-here") is None
    assert await directory.account("../x?y#z") is None


async def test_an_account_is_locked_suspended_and_set_free(
    synapse: Synapse, directory: SynapseAccounts
) -> None:
    await synapse.register_user("rowdy", "pass-word-1")
    for restriction in (Restriction.LOCKED, Restriction.SUSPENDED):
        for _ in range(2):
            await directory.restrict("rowdy", restriction)
        assert await restrictions(directory, "rowdy") == {restriction}
        for _ in range(2):
            await directory.lift("rowdy", restriction)
        assert await restrictions(directory, "rowdy") == set()


async def test_a_deactivated_account_is_over(synapse: Synapse, directory: SynapseAccounts) -> None:
    await synapse.register_user("leaver", "pass-word-1")
    for _ in range(2):
        await directory.restrict("leaver", Restriction.DEACTIVATED)
    assert await restrictions(directory, "leaver") == {Restriction.DEACTIVATED}
    with pytest.raises(Unable, match="with a new password only"):
        await directory.lift("leaver", Restriction.DEACTIVATED)


@pytest.mark.parametrize("restriction", Restriction)
async def test_nobody_is_made_by_restricting_him(
    directory: SynapseAccounts, restriction: Restriction
) -> None:
    with pytest.raises(HomeserverError, match="has no"):
        await directory.restrict("never-there", restriction)
    assert await directory.account("never-there") is None


async def restrictions(directory: SynapseAccounts, name: str) -> frozenset[Restriction]:
    found = await directory.account(name)
    assert found is not None and found.restrictions is not None
    return found.restrictions


async def test_a_bridges_account_is_told(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def one(request: web.Request) -> web.Response:
        assert request.raw_path == "/_synapse/admin/v2/users/%40irc_x%3Ax.org"
        user = {"name": "@irc_x:x.org", "creation_ts": 1_700_000_000, "appservice_id": "irc"}
        return web.json_response(user)

    directory = SynapseAccounts(AdminApi(session, await serve(one), "syt", PATIENCE), "x.org")
    found = await directory.account("irc_x")
    assert found is not None and found.is_application


USER = {"name": "@a:x.org", "creation_ts": 1_700_000_000_000}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"users": None},
        {"users": {"a": 1}},
        {"users": ["@a:x.org"]},
        {"users": [{}]},
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

    directory = SynapseAccounts(AdminApi(session, await serve(answer), "syt", PATIENCE), "x.org")
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

    directory = SynapseAccounts(AdminApi(session, await serve(answer), "syt", PATIENCE), "x.org")
    with pytest.raises(HomeserverError, match=said):
        await directory.newest(None, 10)


async def test_a_list_without_end_ends(session: aiohttp.ClientSession, serve: Serve) -> None:
    async def again(request: web.Request) -> web.Response:
        start, most = int(request.query["from"]), int(request.query["limit"])
        users = [
            {"name": f"@u{start + n}:x.org", "creation_ts": 1_700_000_000_000} for n in range(most)
        ]
        return web.json_response({"users": users, "next_token": "0"})

    directory = SynapseAccounts(AdminApi(session, await serve(again), "syt", PATIENCE), "x.org")
    assert len(await directory.newest(None, 1200)) == 1200
