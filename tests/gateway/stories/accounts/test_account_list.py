"""The homeserver's list of accounts tells of each new one, once, and of nobody who was there."""

from datetime import timedelta

import pytest

from gateway.homeserver.homeserver import NameAvailability
from gateway.store import accounts
from gateway.store.registrations import Status
from tests.gateway.conftest import NOW
from tests.gateway.stories.accounts.test_watcher import mailed


@pytest.fixture
async def listing(open_house, directory):
    """A house before a homeserver that lists its accounts."""
    return await open_house(directory=directory)


async def settled(house):
    """Look until what there is to find is found."""
    for _ in range(3):
        await house.accounts.look()
        house.clock.turn(seconds=30)


async def seen(house):
    found = await house.database.read(lambda c: accounts.newest(c, None, 100))
    return {each.name: each.registration_id for each in found}


async def test_what_is_there_at_the_first_start_is_nobodys_news(listing, directory):
    directory.open("root", "eve")
    await settled(listing)
    assert await listing.alerts() == {}
    directory.open("mallory")
    await settled(listing)
    ((cause, (count, text)),) = (await listing.alerts()).items()
    assert (cause, count) == ("unknown account", 1)
    assert text == "Accounts were opened past the desk, the last of them `mallory`"


async def test_an_account_that_was_opened_before_the_first_start_is_still_linked(
    open_house, directory
):
    house = await open_house(directory=directory)
    await mailed(house, "ann")
    house.clock.turn(hours=5)
    directory.open("ann")
    await house.use_token(1)
    house.clock.turn(days=2)
    directory.open("eve")
    await settled(house)
    assert await house.statuses() == ["registered"]
    assert await house.alerts() == {}


async def test_all_new_accounts_cost_one_question(listing, directory):
    await settled(listing)
    await mailed(listing, *(f"n{number}x" for number in range(30)))
    for number in range(30):
        directory.open(f"n{number}x")
        await listing.use_token(number + 1)
    directory.calls.clear()
    listing.names.asked.clear()
    await listing.accounts.look()
    assert set(await listing.statuses()) == {"registered"}
    assert directory.calls == ["newest"]
    assert listing.names.asked == []
    row = (await listing.rows())[0]
    assert (row.status, row.account) == (Status.REGISTERED, row.name)
    await listing.rotation.look()
    assert listing.source.in_force == {}


async def test_after_a_restart_the_list_is_read_on(open_house, directory):
    house = await open_house(directory=directory)
    await settled(house)
    house.clock.turn(days=3)
    directory.open("eve")
    house.clock.turn(days=3)
    other = await open_house(directory=directory)
    await settled(other)
    assert (await other.alerts())["unknown account"][0] == 1
    await settled(house)
    assert (await house.alerts())["unknown account"][0] == 1


async def test_a_homeserver_whose_clock_is_wrong_hides_no_account(listing, directory):
    directory.open("old", created_at=NOW - timedelta(days=1))
    await settled(listing)
    directory.open("early", created_at=NOW + timedelta(days=400))
    await settled(listing)
    directory.open("eve")
    await settled(listing)
    assert (await listing.alerts())["unknown account"][0] == 2


async def test_a_list_that_cannot_be_read_is_read_in_the_next_round(listing, directory):
    await settled(listing)
    directory.open("eve")
    directory.is_down = True
    await settled(listing)
    assert await listing.alerts() == {}
    directory.is_down = False
    await settled(listing)
    assert (await listing.alerts())["unknown account"][0] == 1


async def test_the_bot_and_bridges_are_nobodys_news(open_house, directory):
    bot = {"user": "@porter:example.org", "password": "p", "room": "!r"}
    house = await open_house(directory=directory, bot=bot)
    await settled(house)
    directory.open("porter")
    directory.open("irc_eve", is_application=True)
    await settled(house)
    assert await house.alerts() == {}
    assert await seen(house) == {"porter": None, "irc_eve": None}
    directory.calls.clear()
    await settled(house)
    assert set(directory.calls) == {"newest"}


async def test_thousands_of_accounts_are_one_message(listing, directory):
    await settled(listing)
    directory.open(*(f"flood{number}" for number in range(1200)))
    for _ in range(3):
        await settled(listing)
    ((cause, (count, text)),) = (await listing.alerts()).items()
    assert (cause, count) == ("unknown account", 1200)
    assert len(text) < 300


async def test_a_listed_account_ends_the_look_at_its_request(open_house, directory):
    house = await open_house(directory=directory, review={"all": True})
    await settled(house)
    house.names.usual = NameAvailability.FREE
    await house.apply()
    directory.open("ann")
    await house.accounts.look()
    assert await house.statuses() == ["registered"]
    assert await house.owed() == 0


async def test_a_list_without_times_is_read_seldom_and_names_are_asked_for(open_house, directory):
    tokens = {"mode": "shared", "rotation": "0 0 * * *"}
    house = await open_house(directory=directory, tokens=tokens)
    await house.rotation.look()
    directory.open("root", created_at=None)
    await settled(house)
    await mailed(house, "ann")
    directory.open("ann", "eve", created_at=None)
    house.names.answers["ann"] = NameAvailability.TAKEN
    directory.calls.clear()
    await settled(house)
    assert await house.statuses() == ["registered"]
    assert "newest" not in directory.calls
    house.clock.turn(minutes=10)
    await settled(house)
    assert directory.calls.count("newest") == 1
    assert (await house.alerts())["unknown account"][0] == 1
