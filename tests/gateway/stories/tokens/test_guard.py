"""A homeserver that asks nobody for a token while it has none always has one."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import Abilities, HomeserverError, TokenState
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.token_file import TokenFile
from gateway.homeserver.tuwunel import Tuwunel as Edge
from gateway.store import home
from gateway.store import tokens as store
from gateway.store.audit import Author
from gateway.stories.tokens import guard
from tests.gateway.conftest import OpenHouse, StrictTokens, ToldNames
from tests.stand_ins.tuwunel import Tuwunel

PATIENCE = timedelta(seconds=5)
MODERATOR = Author("@mod:example.org", "$event")
FAILS_OPEN = Abilities("one that fails open", fails_open=True)
MAKES_TOKENS = Abilities("one with a room", fails_open=True, makes_tokens=True, needs_room=True)


@pytest.fixture
async def tuwunel() -> Any:
    server = Tuwunel()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def desk(tuwunel: Tuwunel, open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A desk before a tuwunel; it looks after the guard each time."""
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    async with aiohttp.ClientSession() as session:
        names = CarefulNames(registrable(session, tuwunel.url, PATIENCE), PATIENCE, at_once=1)
        api = AdminApi(session, tuwunel.url, tuwunel.make_admin("porter"), PATIENCE)
        edge = Edge(api, names, "porter.localhost", has_room=False)
        yield await open_house(source=edge, names=edge)


async def test_a_tuwunel_asks_for_a_token_also_when_all_of_ours_have_ended(desk, tuwunel):
    assert not tuwunel.asks_for_token()
    await desk.rotation.look()
    assert tuwunel.asks_for_token()
    await desk.apply()
    own = await desk.rotation.token_for(1)
    assert own.value in tuwunel.kept
    await desk.rotation.rotate(MODERATOR)
    assert own.value not in tuwunel.kept and tuwunel.asks_for_token()


async def test_what_somebody_deleted_there_is_there_again(desk, tuwunel):
    for _ in range(2):
        await desk.rotation.look()
    (before,) = tuwunel.kept
    tuwunel.kept.clear()
    await desk.rotation.look()
    (after,) = tuwunel.kept
    assert after != before and tuwunel.asks_for_token()


async def test_nobody_is_told_of_it_and_nobody_ends_it(desk):
    await desk.rotation.look()
    guarding = await desk.database.read(lambda c: store.get(c, 1))
    assert (await desk.rotation.rotate(MODERATOR)).outstanding == 0
    assert await desk.rotation.given.standing() == []
    with pytest.raises(ValueError, match="keeps the homeserver from letting everybody in"):
        await desk.rotation.given.revoke(MODERATOR, lambda c: store.with_value(c, guarding.value))


async def test_it_is_there_before_the_first_shared_token(open_house):
    source = StrictTokens()
    source.abilities = FAILS_OPEN
    house = await open_house(source=source, tokens={"mode": "shared"})
    source.moods.append("before")
    with pytest.raises(Exception, match="the homeserver is away"):
        await house.rotation.look()
    assert source.in_force == {}
    await house.rotation.look()
    assert len(source.in_force) == 2
    guarding = await house.database.read(lambda c: store.get(c, 1))
    assert source.calls[1] == f"issue {guarding.value}"


class Forgetful(StrictTokens):
    """Tells which tokens it has."""

    abilities = MAKES_TOKENS

    async def state(self, value):
        return TokenState(is_gone=value not in self.in_force)


async def test_where_the_homeserver_makes_tokens_it_is_asked_for_one_once(open_house, monkeypatch):
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    house = await open_house(source=Forgetful())
    for _ in range(3):
        await house.rotation.look()
    assert len(house.source.calls) == 1
    house.source.in_force.clear()  # it was restored from an older backup
    for _ in range(3):
        await house.rotation.look()
    assert len(house.source.calls) == 2 and len(house.source.in_force) == 1


async def test_a_token_file_that_somebody_deleted_holds_it_again(open_house, monkeypatch, tmp_path):
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    file = TokenFile(tmp_path / "token")
    house = await open_house(source=FileServer(file, ToldNames(), "tuwunel", fails_open=True))
    await house.rotation.look()
    (before,) = file.values()
    await house.rotation.look()
    assert file.values() == (before,)
    (tmp_path / "token").unlink()
    await house.rotation.look()
    assert len(file.values()) == 1


async def test_a_token_that_cannot_be_taken_back_keeps_nobody_from_his(house):
    given, _ = await house.rotation.given.issue(MODERATOR, 1, timedelta(days=1))
    house.source.is_down = True
    await house.rotation.given.revoke(MODERATOR, lambda c: store.get(c, given.id))
    other, works = await house.rotation.given.issue(
        Author("@mod:example.org", "$other"), 1, timedelta(days=1)
    )
    assert not works
    house.source.is_down = False
    house.source.moods.append("before")
    with pytest.raises(HomeserverError):
        await house.rotation.look()
    assert other.value in house.source.in_force


async def test_another_homeserver_gets_another(open_house, monkeypatch):
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    house = await open_house(source=StrictTokens())
    house.source.abilities = MAKES_TOKENS
    await house.database.write(lambda c: home.arrive(c, "here", house.clock()))
    await house.rotation.look()
    house.clock.turn(hours=1)
    await house.database.write(lambda c: home.arrive(c, "there", house.clock()))
    await house.rotation.look()
    assert len(set(house.source.calls)) == 2


async def test_a_homeserver_that_fails_closed_needs_none(house):
    await house.rotation.look()
    assert house.source.calls == []
