"""An applicant's own token as a line of a file: from the form to the account, and out again.

The homeserver is a stand-in that reads the file at each sign-up, as the conduwuit family does.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from bot.demo.applicant import token_in
from gateway.edges import make_homeserver
from gateway.store.audit import Author
from tests.gateway.conftest import House, register, text_of
from tests.stand_ins.conduwuit import Conduwuit
from tests.stand_ins.tuwunel import Tuwunel

MOD = Author("@mod:example.org", "$event")
GUARD = "g" * 32


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tokens" / "registration_tokens"
    path.parent.mkdir()
    path.write_text(f"{GUARD}\n")
    return path


@pytest.fixture(params=["conduwuit", "tuwunel"])
async def server(request: pytest.FixtureRequest, path: Path) -> AsyncIterator[Conduwuit]:
    server = {"conduwuit": Conduwuit, "tuwunel": Tuwunel}[request.param](path)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def desk(open_house, make_settings, server, session, path) -> House:
    homeserver = {
        "kind": server.name.lower(),
        "url": server.url,
        "admin_token": None,
        "token_file": str(path),
    }
    edge = make_homeserver(make_settings(homeserver=homeserver), session)
    edge._fails_open = False  # the desk's own guard would be one line more; see test_guard.py
    return await open_house(source=edge, names=edge, directory=edge, homeserver=homeserver)


def lines(path: Path) -> list[str]:
    """The file as a server reads it, which is never empty and has no blank line."""
    text = path.read_text()
    assert text.endswith("\n") and "\n\n" not in text
    return text.split()


async def test_a_line_comes_with_the_mail_and_goes_when_the_account_is_there(
    desk, server, session, path, post
):
    await desk.apply("ann", "ann@example.net")
    await desk.apply("bob", "bob@example.com", "198.51.100.9")
    await desk.deliver()
    mailed = {mail["To"]: token_in(text_of(mail)) for mail in post.mails}
    ann, bob = mailed["ann@example.net"], mailed["bob@example.com"]
    assert ann != bob and sorted(lines(path)) == sorted([ann, bob, GUARD])
    assert not await register(session, server.url, "eve", "nosuchtoken")
    assert await register(session, server.url, "ann", ann)
    await desk.accounts.look()
    await desk.rotation.look()
    assert sorted(lines(path)) == sorted([bob, GUARD])
    assert await desk.statuses() == ["registered", "mailed"]
    assert not await register(session, server.url, "ann2", ann)
    assert await register(session, server.url, "bob", bob)


async def test_a_line_goes_when_its_time_is_up(desk, server, session, path, post):
    await desk.apply()
    await desk.deliver()
    token = token_in(text_of(post.mails[0]))
    desk.clock.turn(days=6, hours=23)
    await desk.rotation.look()
    assert lines(path) == [token, GUARD]
    desk.clock.turn(hours=2)
    await desk.rotation.look()
    assert lines(path) == [GUARD]
    assert not await register(session, server.url, "ann", token)


async def test_after_the_last_line_there_is_one_that_nobody_knows(
    desk, server, session, path, post
):
    path.write_text("")  # the operator's own mistake
    await desk.apply()
    await desk.deliver()
    token = token_in(text_of(post.mails[0]))
    assert lines(path) == [token]
    assert await register(session, server.url, "ann", token)
    await desk.accounts.look()
    await desk.rotation.look()
    (unknown,) = lines(path)
    assert unknown != token and len(unknown) == 48
    assert not await register(session, server.url, "eve", "")
    assert not await register(session, server.url, "eve", token)
    assert server.asks_for_token()


async def test_after_a_leak_each_line_is_another(desk, server, session, path, post):
    for n in range(3):
        await desk.apply(f"ann{n}", f"ann{n}@example{n}.net", f"203.0.{n}.7")
    await desk.deliver()
    old = {token_in(text_of(mail)) for mail in post.mails}
    done = await desk.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (3, 3, 3)
    assert lines(path) == [GUARD]
    await desk.deliver()
    new = {token_in(text_of(mail)) for mail in post.mails} - old
    assert set(lines(path)) == {*new, GUARD} and len(new) == 3


async def test_two_desks_on_one_file_lose_nothing(desk, open_house, server, session, path, post):
    other = await open_house(source=desk.source, names=desk.names, directory=desk.directory)
    for n in range(10):
        await desk.apply(f"ann{n}", f"ann{n}@example{n}.net", f"203.0.{n}.7")
    await asyncio.gather(desk.deliver(), other.deliver())
    mailed = {token_in(text_of(mail)) for mail in post.mails}
    assert len(mailed) == 10 and set(lines(path)) == {*mailed, GUARD}
    desk.clock.turn(days=8)
    await asyncio.gather(desk.rotation.look(), other.rotation.look())
    assert lines(path) == [GUARD]


async def test_a_desk_that_goes_over_to_one_shared_token_leaves_the_lines_their_time(
    desk, open_house, server, session, path, post
):
    await desk.apply()
    await desk.deliver()
    own = token_in(text_of(post.mails[0]))
    shared = await open_house(
        source=desk.source,
        names=desk.names,
        directory=desk.directory,
        tokens={"mode": "shared", "overlap": "2h"},
    )
    await shared.rotation.look()
    await shared.apply("bob", "bob@example.com", "198.51.100.9")
    await shared.deliver()
    common = token_in(text_of(post.mails[1]))
    assert lines(path) == [common, own, GUARD]
    assert await register(session, server.url, "ann", own)
    assert await register(session, server.url, "bob", common)
    shared.clock.turn(hours=13)  # past midnight, within the overlap
    await shared.rotation.look()
    assert set(lines(path)) > {common, own, GUARD} and len(lines(path)) == 4
    shared.clock.turn(days=7)
    await shared.rotation.look()
    await shared.rotation.look()
    assert not {common, own} & set(lines(path)) and len(lines(path)) == 3
    # And back: what is shared lasts as long as an own one would.
    await desk.rotation.look()
    desk.clock.turn(days=7)
    await desk.rotation.look()
    assert lines(path) == [GUARD]
