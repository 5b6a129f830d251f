"""A homeserver that asks nobody for a token while it has none always has one."""

from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import Abilities
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.tuwunel import Tuwunel as Edge
from gateway.store import home
from gateway.store import tokens as store
from gateway.store.audit import Author
from gateway.stories.tokens import guard
from tests.gateway.conftest import OpenHouse, StrictTokens
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
    await desk.rotation.look()
    before = dict(tuwunel.kept)
    tuwunel.kept.clear()
    await desk.rotation.look()
    assert tuwunel.kept.keys() == before.keys()


async def test_nobody_is_told_of_it_and_nobody_ends_it(desk):
    await desk.rotation.look()
    (value,) = desk_tokens = await desk.database.read(
        lambda c: [store.get(c, 1).value]  # type: ignore[union-attr]
    )
    assert desk_tokens and (await desk.rotation.rotate(MODERATOR)).outstanding == 0
    assert await desk.rotation.given.standing() == []
    with pytest.raises(ValueError, match="keeps the homeserver from letting everybody in"):
        await desk.rotation.given.revoke(MODERATOR, lambda c: store.with_value(c, value))


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


async def test_where_the_homeserver_makes_tokens_it_is_asked_for_one_once(open_house, monkeypatch):
    monkeypatch.setattr(guard, "_EVERY", 0.0)
    source = StrictTokens()
    source.abilities = MAKES_TOKENS
    house = await open_house(source=source)
    for _ in range(3):
        await house.rotation.look()
    assert len(source.calls) == 1


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
