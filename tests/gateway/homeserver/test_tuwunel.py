"""tuwunel's own manner of Synapse's admin API."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from gateway.homeserver import synapse_accounts
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import HomeserverError, Restriction, Token, TokenState, Unable
from gateway.homeserver.tuwunel import Tuwunel
from tests.gateway.conftest import register
from tests.gateway.homeserver.subjects.subject import names_at
from tests.stand_ins import tuwunel

PATIENCE = timedelta(seconds=5)
GUARD = "theguardoftheconfiguration"


def edge(
    session: aiohttp.ClientSession, server: tuwunel.Tuwunel, token: str, has_room: bool = False
) -> Tuwunel:
    api = AdminApi(session, server.url, token, PATIENCE)
    return Tuwunel(api, names_at(session, server.url), server.server_name, has_room=has_room)


@pytest.fixture(params=["1.8.1", "1.9.0"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuwunel.Tuwunel]:
    file = tmp_path / "tokens"
    file.write_text("standsinthefile\n")
    server = tuwunel.Tuwunel(file, GUARD, version=str(request.param))
    server.make_admin("admin")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def homeserver(session: aiohttp.ClientSession, server: tuwunel.Tuwunel) -> Tuwunel:
    return edge(session, server, "token-of-admin")


async def test_a_token_that_is_gone_has_opened_all_it_may(
    session: aiohttp.ClientSession, server: tuwunel.Tuwunel, homeserver: Tuwunel
) -> None:
    await homeserver.issue(Token("twice", 2, datetime.now(UTC) + timedelta(hours=1)))
    assert await homeserver.state("twice") == TokenState(0)
    assert await register(session, server.url, "one", "twice")
    assert await homeserver.state("twice") == TokenState(1)
    assert await register(session, server.url, "two", "twice")
    assert "twice" not in server.kept
    assert await homeserver.state("twice") == TokenState(is_used_up=True, is_gone=True)
    assert not await register(session, server.url, "three", "twice")


@pytest.mark.parametrize("value", [GUARD, "standsinthefile"])
async def test_a_token_of_its_configuration_ends_only_there(
    homeserver: Tuwunel, value: str
) -> None:
    with pytest.raises(Unable, match=r"configuration or token file") as caught:
        await homeserver.revoke(value)
    assert value not in str(caught.value)
    await homeserver.check()


async def test_accounts_are_listed_without_a_time_and_without_the_servers_own(
    session: aiohttp.ClientSession,
    server: tuwunel.Tuwunel,
    homeserver: Tuwunel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(synapse_accounts, "_PAGE", 2)
    for name in ("ann", "bob", "cay", "dan"):
        server.accounts[name] = tuwunel.Person("secret", is_locked=name == "bob")
    await homeserver.restrict("dan", Restriction.DEACTIVATED)
    found = await homeserver.newest(datetime.now(UTC), 100)
    assert {each.name for each in found} == {"ann", "bob", "cay", "admin"}
    assert {each.created_at for each in found} == {None}
    assert len(await homeserver.newest(None, 3)) == 3
    account = await homeserver.account("bob")
    assert account is not None and account.created_at is None
    assert account.restrictions == {Restriction.LOCKED}


async def test_long_display_names_hide_nobody(server: tuwunel.Tuwunel, homeserver: Tuwunel) -> None:
    for number in range(50):
        server.accounts[f"long{number}"] = tuwunel.Person("secret", display_name="n" * 60_000)
    assert len(await homeserver.newest(None, 100)) == 51


async def test_its_room_tells_of_accounts_and_its_list_is_spared(
    session: aiohttp.ClientSession, server: tuwunel.Tuwunel
) -> None:
    abilities = edge(session, server, "token-of-admin", has_room=True).abilities
    assert abilities.announces_accounts and not abilities.lists_accounts


async def test_only_an_admin_is_served(
    session: aiohttp.ClientSession, server: tuwunel.Tuwunel
) -> None:
    server.accounts["member"] = tuwunel.Person("secret", {"token-of-member"})
    for secret in ("token-of-member", "rubbish"):
        homeserver = edge(session, server, secret)
        for attempt in (homeserver.check(), homeserver.issue(Token("never"))):
            with pytest.raises(HomeserverError, match=r"homeserver\.admin_token") as caught:
                await attempt
            assert secret not in str(caught.value)
    assert server.kept == {}


async def test_an_older_one_has_no_such_api(session: aiohttp.ClientSession) -> None:
    server = tuwunel.Tuwunel(registration_token=GUARD, version="1.8.0")
    server.make_admin("admin")
    await server.start()
    try:
        with pytest.raises(HomeserverError, match="does not offer Synapse's admin API"):
            await edge(session, server, "token-of-admin").check()
    finally:
        await server.stop()
