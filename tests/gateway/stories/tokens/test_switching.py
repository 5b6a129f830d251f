"""An operator goes over to a homeserver of another kind while tokens are outstanding."""

import re
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.message import EmailMessage
from itertools import permutations
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from gateway.edges import make_homeserver
from gateway.homeserver.homeserver import Unable
from gateway.store import alerts, tokens
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.stories.tokens.ordered_room import OrderedRoom
from tests.gateway.conftest import House, register, text_of
from tests.stand_ins.conduwuit import Conduwuit
from tests.stand_ins.continuwuity import AdminRoom, Continuwuity
from tests.stand_ins.tuwunel import Tuwunel

MOD = Author("@mod:example.org", "$event")
GUARD = "g" * 32
FIXED = "--fixed/token?of=all#1%2e"  # an operator's own, which other servers could not have
KINDS = ("tuwunel", "tuwunel with a file", "conduwuit", "static", "continuwuity")
ISSUING = [kind for kind in KINDS if kind != "static"]
BOT = {"user": "@porter:example.org", "access_token": "syt_bot", "room": "!mods:example.org"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens" / "registration_tokens"
    path.parent.mkdir()
    path.write_text(f"{GUARD}\n")
    return path


@pytest.fixture
async def servers(path: Path) -> AsyncIterator[dict[str, Conduwuit]]:
    """One homeserver a kind; tuwunel is one that has both ways, and the file's tokens with them.

    continuwuity has its tokens made in its admin room, and still reads the file when it starts.
    """
    tuwunel, conduwuit = Tuwunel(path), Conduwuit(path)
    tuwunel.make_admin("admin")
    static = Conduwuit(registration_token=FIXED)
    continuwuity = Continuwuity()
    found = {"tuwunel": tuwunel, "conduwuit": conduwuit, "static": static}
    found["continuwuity"] = continuwuity
    for server in found.values():
        await server.start()
    yield found | {"tuwunel with a file": tuwunel}
    for server in found.values():
        await server.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def room(make_settings, servers) -> AsyncIterator[OrderedRoom]:
    """The admin room of continuwuity, with our bot in it."""
    state = make_settings().state
    state.mkdir()
    database = Database(state / "porter.db")
    database.open()
    bot = AdminRoom(database, servers["continuwuity"].commands)
    async with bot.working():
        yield OrderedRoom(database, timedelta(seconds=2))
    await database.close()


@pytest.fixture
def before(open_house, make_settings, servers, session, path, room) -> Callable[..., Any]:
    """Opens a desk before a homeserver of a kind, on the database that is there."""

    async def open_it(kind: str, **more: Any) -> House:
        ways = {
            "tuwunel": {"admin_token": "token-of-admin"},
            "static": {"static_token": FIXED},
            "continuwuity": {"admin_room": "!admins:example.org"},
        }
        way = ways.get(kind, {"token_file": str(path)})
        homeserver = {
            "kind": kind.partition(" ")[0],
            "url": servers[kind].url,
            "admin_token": None,
            **way,
        }
        changes = {"homeserver": homeserver, "tokens": {"mode": None}, **more}
        changes |= {"bot": BOT} if kind == "continuwuity" else {}
        servers["continuwuity"].commands.configured |= set(path.read_text().split())
        edge = make_homeserver(make_settings(**changes), session, room)
        house = await open_house(source=edge, names=edge, directory=edge, **changes)
        house.clock.turn(minutes=10)  # of a restart
        await house.accounts.look()
        await house.rotation.look()
        return house

    return open_it


def token_of(mail: EmailMessage) -> str:
    """The token in a mail, which may be none of our own making."""
    (token,) = re.findall(r"(?m)^ {4}(\S{16,64})\s*$", text_of(mail))
    return str(token)


async def causes(house: House) -> set[str]:
    raised = await house.database.read(lambda c: alerts.pending(c, house.clock(), 100))
    return {each.cause for each in raised}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        *permutations(["tuwunel", "conduwuit", "static", "continuwuity"], 2),
        *permutations(["tuwunel", "tuwunel with a file"], 2),
    ],
)
async def test_mails_go_on_with_tokens_that_work_and_those_of_before_are_ended(
    before, servers, session, post, old, new
):
    house = await before(old)
    await house.apply("ann", "ann@example.net")
    await house.deliver()
    house = await before(new)
    await house.apply("bob", "bob@example.com", "198.51.100.9")
    await house.deliver()
    server = servers[new]
    assert await register(session, server.url, "bob", token_of(post.mails[1]))
    if new == "static":
        with pytest.raises(Unable):
            await house.rotation.rotate(MOD)
    else:
        await house.rotation.rotate(MOD)
        await house.deliver()
        _, mail = post.to("ann@example.net")
        assert await register(session, server.url, "ann", token_of(mail))
    house.clock.turn(days=8)
    for _ in range(3):
        await house.rotation.look()
    assert await house.database.read(lambda c: tokens.due(c, house.clock())) == []
    # Who goes over to the API leaves the file to the server: nobody but the operator ends those.
    stays = old in ("tuwunel with a file", "conduwuit") and new in ("tuwunel", "continuwuity")
    assert ("token stays" in await causes(house)) == stays


@pytest.mark.parametrize("kind", ISSUING)
async def test_one_kind_goes_over_from_own_tokens_to_a_shared_one_and_back(
    before, servers, session, post, kind
):
    own = await before(kind)
    await own.apply("ann", "ann@example.net")
    await own.deliver()
    shared = await before(kind, tokens={"mode": "shared"})
    await shared.apply("bob", "bob@example.com", "198.51.100.9")
    await shared.deliver()
    own = await before(kind)
    await own.apply("cay", "cay@example.org", "192.0.2.9")
    await own.deliver()
    for name, mail in zip(("ann", "bob", "cay"), post.mails, strict=True):
        assert await register(session, servers[kind].url, name, token_of(mail))
    own.clock.turn(days=8)
    for _ in range(2):
        await own.rotation.look()
    assert not await own.database.read(lambda c: tokens.living(c, own.clock()))
    assert not {"token stays", "tokens stuck"} & await causes(own)


@pytest.mark.parametrize("kind", ISSUING)
async def test_with_an_overlap_the_old_and_the_new_shared_token_open_accounts_side_by_side(
    before, servers, session, post, kind
):
    house = await before(kind, tokens={"mode": "shared", "overlap": "2h"})
    await house.apply("ann", "ann@example.net")
    await house.deliver()
    house.clock.turn(hours=13)  # past midnight
    await house.rotation.look()
    await house.apply("bob", "bob@example.com", "198.51.100.9")
    await house.deliver()
    old, new = (token_of(mail) for mail in post.mails)
    assert old != new
    for name, token in (("ann", old), ("bob", new)):
        assert await register(session, servers[kind].url, name, token)
    house.clock.turn(hours=2)
    await house.rotation.look()
    assert not await register(session, servers[kind].url, "cay", old)
    assert await register(session, servers[kind].url, "cay", new)
