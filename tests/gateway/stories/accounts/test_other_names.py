"""Somebody who registers another name than he asked for is found, or it is said that he is not."""

from dataclasses import replace
from datetime import timedelta

from gateway.homeserver.homeserver import NameAvailability
from gateway.store import accounts, registrations
from gateway.store.audit import Author
from gateway.store.registrations import Status
from gateway.stories.accounts.unknown_accounts import UnknownAccounts
from tests.gateway.stories.accounts.test_account_list import seen, settled
from tests.gateway.stories.accounts.test_ownership import details
from tests.gateway.stories.accounts.test_watcher import mailed

MOD = Author("@mod:example.org", "$event")


async def test_the_only_account_of_his_time_is_his(listing, directory):
    await mailed(listing, "ann", "bob")
    directory.open("zoe")
    await listing.use_token(1)
    await settled(listing)
    ann, bob = await listing.rows()
    assert (ann.status, ann.account, bob.status) == (Status.REGISTERED, "zoe", Status.MAILED)
    assert await seen(listing) == {"zoe": 1}
    assert await listing.alerts() == {
        "account name": (1, "Request 1 asked for `ann`, and its token opened the account `zoe`")
    }
    assert ("porter", "account appeared", "registration 1") in await listing.audited()
    await listing.rotation.look()
    assert len(listing.source.in_force) == 1  # bob's


async def test_of_several_the_one_from_his_network_is_his(listing, directory):
    await mailed(listing, "ann", "bob")

    def tell(c):
        accounts.seen(c, "zoe", listing.clock(), ip="198.51.0.77")  # ann's network
        accounts.seen(c, "mallory", listing.clock(), ip="192.0.2.9")

    await listing.database.write(tell)
    directory.open("zoe", "mallory")
    await listing.use_token(1)
    await settled(listing)
    assert (await listing.rows())[0].account == "zoe"
    assert (await details(listing, "unknown account"))[0].startswith("`mallory` at")


async def test_candidates_are_named_when_there_are_several(listing, directory):
    await mailed(listing, "ann")
    directory.open("yan", "zoe")
    await listing.use_token(1)
    await settled(listing)
    (ann,) = await listing.rows()
    assert (ann.status, ann.account) == (Status.REGISTERED, None)
    told = await listing.alerts()
    assert told["account name"][1] == (
        "Request 1 asked for `ann`, and its token opened another account: one of `yan`, `zoe`"
    )
    assert told["unknown account"][0] == 2
    assert (await details(listing, "unknown account"))[0].endswith("maybe of request 1")


async def test_one_account_for_two_people_is_given_to_neither(listing, directory):
    await mailed(listing, "ann", "bob")
    directory.open("zoe")
    await listing.use_token(1)
    await listing.use_token(2)
    await settled(listing)
    assert [row.account for row in await listing.rows()] == [None, None]
    assert (await listing.alerts())["account name"][0] == 2


async def test_that_nothing_is_found_is_said(listing):
    await mailed(listing, "ann")
    await listing.use_token(1)
    await settled(listing)
    assert await listing.statuses() == ["mailed"]  # it may be listed still
    listing.clock.turn(minutes=15)
    await settled(listing)
    assert await listing.statuses() == ["registered"]
    assert (await listing.alerts())["account name"][1] == (
        "Request 1 asked for `ann`, and its token opened another account; under which name is not"
        " known"
    )


async def test_while_the_homeserver_does_not_say_whether_a_name_is_free_nothing_is_said(
    listing, directory
):
    await mailed(listing, "ann")
    directory.open("zoe")
    await listing.use_token(1)
    listing.names.answers["ann"] = NameAvailability.UNKNOWN
    await listing.accounts.look()
    listing.clock.turn(seconds=30)
    await listing.accounts.look()
    listing.clock.turn(seconds=30)
    await listing.accounts.look()
    assert await listing.statuses() == ["mailed"]
    assert await listing.alerts() == {}
    listing.names.answers.clear()
    await listing.accounts.look()
    assert (await listing.rows())[0].account == "zoe"


async def test_an_account_that_the_list_leaves_out_is_found_by_its_name(listing):
    await mailed(listing, "ann")
    await listing.use_token(1)
    listing.names.answers["ann"] = NameAvailability.TAKEN  # it was deactivated at once
    await settled(listing)
    listing.clock.turn(minutes=15)
    await settled(listing)
    assert (await listing.rows())[0].account == "ann"
    assert await listing.alerts() == {}


async def test_an_account_from_before_the_request_is_nobodys_other_name(listing, directory):
    directory.open("zoe", created_at=listing.clock() - timedelta(minutes=50))
    await mailed(listing, "ann")
    await listing.use_token(1)
    await settled(listing)
    listing.clock.turn(minutes=15)
    directory.open("yan")  # nor one from after his token was used
    await settled(listing)
    (ann,) = await listing.rows()
    assert (ann.status, ann.account) == (Status.REGISTERED, None)
    assert (await listing.alerts())["unknown account"][0] == 2


async def test_tokens_are_asked_for_sparingly(listing, directory):
    await mailed(listing, *(f"n{number}x" for number in range(25)))
    listing.source.calls.clear()
    for _ in range(3):
        await listing.accounts.look()
    assert len(listing.source.calls) == 3
    assert len(set(listing.source.calls)) == 3
    directory.open("zoe")
    listing.source.calls.clear()
    await listing.accounts.look()
    listing.clock.turn(seconds=30)
    await listing.accounts.look()
    assert len(listing.source.calls) == 1 + 25


async def test_a_token_that_may_be_over_by_the_homeservers_clock_is_nobodys_use(listing):
    await mailed(listing, "ann")
    await listing.use_token(1)
    listing.clock.turn(days=6, hours=23, minutes=56)
    await settled(listing)
    assert await listing.statuses() == ["mailed"]
    assert await listing.alerts() == {}


async def test_tokens_of_another_homeserver_are_not_asked_for_here(open_house, directory, clock):
    before = await open_house(directory=directory)
    await mailed(before, "ann")
    await settled(before)
    clock.turn(hours=1)
    after = await open_house(directory=directory, homeserver={"url": "http://127.0.0.1:8"})
    await after.use_token(1)  # such as one that tuwunel does not have
    await settled(after)
    assert await after.statuses() == ["mailed"]
    assert await after.alerts() == {}
    directory.open("eve")
    await settled(after)
    assert (await after.alerts())["unknown account"][0] == 1


async def test_in_an_admin_room_tokens_are_asked_for_only_when_there_is_somebody_new(house):
    house.source.abilities = replace(house.source.abilities, needs_room=True)
    await mailed(house, "ann", "bob")
    house.source.calls.clear()
    await settled(house)
    assert house.source.calls == []
    await house.database.write(lambda c: accounts.seen(c, "zoe", house.clock()))
    await house.use_token(1)
    for _ in range(2):
        await settled(house)
    assert (await house.rows())[0].account == "zoe"


async def test_the_name_that_he_did_not_take_is_free_again(listing, directory):
    await mailed(listing, "ann")
    directory.open("zoe")
    await listing.use_token(1)
    await settled(listing)
    await listing.apply("ann", "other@example.net", "192.0.2.1")
    ann = (await listing.rows())[1]
    now = listing.clock()
    assert await listing.database.read(lambda c: registrations.rival(c, ann, now)) is None
    directory.open("ann")  # and whoever takes it past the desk is no acquaintance
    found = await UnknownAccounts(listing.settings, listing.database, directory).find(None)
    assert [each.account.name for each in found.unknown] == []
    await listing.reviews.reject(MOD, 2)
    found = await UnknownAccounts(listing.settings, listing.database, directory).find(None)
    assert [(each.account.name, each.request) for each in found.unknown] == [
        ("ann", (2, Status.REJECTED))
    ]
