"""An account appears, and its request is done: linked, its token burnt, once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest

from bot.demo.synapse import Synapse
from gateway.clock import utc_now
from gateway.homeserver.homeserver import NameAvailability
from gateway.store.audit import Author
from gateway.store.registrations import Status
from tests.gateway.conftest import House, OpenHouse, register, synapse_at, text_of

MOD = Author("@mod:example.org", "$event")
PATIENCE = timedelta(seconds=5)


async def mailed(house: House, *names: str) -> None:
    for number, name in enumerate(names):
        assert await house.apply(name, f"{name}@example.net", f"198.51.{number}.1") == ()
    await house.deliver()


async def test_an_account_that_appears_is_linked_and_its_token_burnt(house):
    await mailed(house, "ann", "bob")
    await house.accounts.look()
    assert await house.statuses() == ["mailed", "mailed"]
    house.names.answers["ann"] = NameAvailability.TAKEN
    await house.use_token(1)
    house.clock.turn(minutes=1)
    for _ in range(2):
        await house.accounts.look()
    ann, bob = await house.rows()
    assert (ann.status, ann.registered_at) == (Status.REGISTERED, house.clock.now)
    assert ann.account == "ann"
    assert await house.alerts() == {}
    assert (bob.status, bob.registered_at) == (Status.MAILED, None)
    assert await house.audited() == [("porter", "account appeared", "registration 1")]
    await house.rotation.look()
    assert len(house.source.in_force) == 1
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.mailed) == (1, 1)


async def test_an_account_that_appears_ends_the_look_at_its_request(open_house):
    house = await open_house(review={"all": True})
    house.names.answers["bob"] = NameAvailability.UNKNOWN
    await house.apply()
    await house.apply("bob", "bob@example.net")
    house.names.usual = NameAvailability.TAKEN
    house.names.answers.clear()
    await house.accounts.look()
    # Whether bob's name was free when he asked, nobody knows: a moderator decides.
    assert await house.statuses() == ["registered", "review"]
    assert await house.owed() == 1
    told = (await house.alerts())["review 1"][1]
    assert (
        told == "Request 1, name `ann`, address `a…@example.net`, was found registered by `porter`"
    )
    with pytest.raises(ValueError, match="is registered: nothing to decide"):
        await house.reviews.approve(MOD, 1)


async def test_a_homeserver_that_does_not_say_links_nobody(house):
    await mailed(house, "ann")
    house.names.usual = NameAvailability.UNKNOWN
    await house.accounts.look()
    assert await house.statuses() == ["mailed"]


async def test_only_mailed_requests_are_asked_for(house, post):
    post.answers.append("550 gone")
    await mailed(house, "ann")
    await house.apply("bob", "bob@example.net")
    house.names.asked.clear()
    await house.accounts.look()
    assert house.names.asked == []


async def test_rounds_go_on_where_the_last_one_ended(house):
    names = [f"n{n}x" for n in range(45)]
    await mailed(house, *names)
    house.names.asked.clear()
    for _ in range(3):
        await house.accounts.look()
    assert len(house.names.asked) == 60
    assert house.names.asked[:45] == names
    assert house.names.asked[45:] == names[:15]


async def test_nobody_is_watched_for_ever(house):
    await mailed(house, "ann")
    house.names.asked.clear()
    house.clock.turn(days=8)
    await house.accounts.look()
    assert house.names.asked == ["ann"]
    house.clock.turn(seconds=1)
    await house.accounts.look()
    assert house.names.asked == ["ann"]


async def test_one_process_at_a_time_watches(house, open_house):
    other = await open_house()
    await mailed(house, "ann")
    await house.accounts.look()
    await other.accounts.look()
    assert other.names.asked == []
    house.clock.turn(minutes=10)  # the first one died
    await other.accounts.look()
    assert other.names.asked == ["ann"]


async def test_it_runs_until_it_is_cancelled(house, monkeypatch):
    monkeypatch.setattr("gateway.stories.accounts.watcher.EVERY", 0.01)
    await mailed(house, "ann")
    house.names.answers["ann"] = NameAvailability.TAKEN
    await house.use_token(1)
    running = asyncio.create_task(house.accounts.run())
    async with asyncio.timeout(5):
        while await house.statuses() != ["registered"]:
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# The whole story, on a real homeserver


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def on_synapse(
    synapse: Synapse, session: aiohttp.ClientSession, open_house: OpenHouse
) -> Any:
    """Opens a house on the real homeserver, with the given tokens."""
    admin = await synapse.register_user("stories-admin", "pass-word-1", admin=True)

    async def open_it(**tokens: Any) -> House:
        edge = synapse_at(session, synapse.url, admin)
        house = await open_house(source=edge, names=edge, directory=edge, tokens=tokens)
        if not house.settings.shares_token:
            house.clock.now = utc_now()  # Synapse judges an expiry by its own clock
        return house

    return open_it


def token_in(mail: Any, house_tokens: list[str]) -> str:
    (found,) = [value for value in house_tokens if value in text_of(mail)]
    return found


async def values(house: House) -> list[str]:
    def read(connection: Any) -> list[str]:
        return list(connection.exec_driver_sql("SELECT value FROM tokens ORDER BY id").scalars())

    return await house.database.read(read)


async def test_a_mailed_token_opens_an_account_and_is_burnt(on_synapse, synapse, session, post):
    house = await on_synapse(mode="per_applicant")
    assert await house.apply("storyann", "storyann@example.net") == ()
    assert (await house.rows())[0].name_checked
    await house.deliver()
    token = token_in(post.mails[0], await values(house))
    assert await register(session, synapse.url, "storyann", token)
    assert not await register(session, synapse.url, "storyeve", token)
    await house.accounts.look()
    assert await house.statuses() == ["registered"]
    assert await house.alerts() == {}
    await house.rotation.look()
    assert await house.codes("storyann", "other@example.net", ip="198.51.100.1") == ["name_taken"]


async def test_a_name_that_was_not_asked_for_is_linked_and_told(on_synapse, synapse, session, post):
    house = await on_synapse(mode="per_applicant")
    await house.accounts.look()  # what is there by now is nobody's news
    await mailed(house, "storyguy")
    token = token_in(post.mails[0], await values(house))
    assert await register(session, synapse.url, "storyhal", token)
    for _ in range(3):
        await house.accounts.look()
        house.clock.turn(seconds=30)
    (row,) = await house.rows()
    assert (row.status, row.account) == (Status.REGISTERED, "storyhal")
    assert await house.alerts() == {
        "account name": (
            1,
            "Request 1 asked for `storyguy`, and its token opened the account `storyhal`",
        )
    }
    await synapse.register_user("storyivy", "pass-word-1")
    for _ in range(2):
        await house.accounts.look()
        house.clock.turn(seconds=30)
    told = await house.alerts()
    assert told["unknown account"][1].endswith("the last of them `storyivy`")


async def test_after_a_leak_the_old_token_is_useless_and_the_fresh_one_works(
    on_synapse, synapse, session, post
):
    house = await on_synapse(mode="per_applicant")
    await mailed(house, "storybob", "storycid")
    old = token_in(post.mails[0], await values(house))
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (2, 2, 2)
    await house.deliver()
    (fresh_mail,) = post.to("storybob@example.net")[1:]
    fresh = token_in(fresh_mail, await values(house))
    assert not await register(session, synapse.url, "storybob", old)
    assert await register(session, synapse.url, "storybob", fresh)


async def test_a_shared_token_rotates_with_an_overlap(on_synapse, synapse, session, post):
    house = await on_synapse(mode="shared", rotation="0 0 * * *", overlap="2h")
    await house.rotation.look()
    await mailed(house, "storydan")
    old = token_in(post.mails[0], await values(house))
    house.clock.turn(days=1)
    await house.rotation.look()
    _, new = await values(house)
    assert await register(session, synapse.url, "storydan", old)
    assert await register(session, synapse.url, "storyeli", new)
    house.clock.turn(hours=2)
    await house.rotation.look()
    assert not await register(session, synapse.url, "storyfay", old)
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked) == (1, 1)
    assert not await register(session, synapse.url, "storyfay", new)
    assert await register(session, synapse.url, "storyfay", (await values(house))[-1])
    await house.rotation.rotate(MOD)
