"""Whose an account is: of whom asked for its name, of whom was given a token, or of nobody."""

from gateway.store import accounts, alerts, audit, registrations
from gateway.store.audit import Author
from gateway.store.registrations import Status
from gateway.stories.accounts.linking import owner
from tests.gateway.stories.accounts.test_account_list import seen, settled
from tests.gateway.stories.accounts.test_watcher import mailed

MOD = Author("@mod:example.org", "$event")


async def details(house, cause):
    alert = await house.database.read(lambda c: alerts.standing(c, cause, house.clock()))
    return [*alert.details] if alert else []


async def test_an_account_that_nobody_asked_for_is_written_down_and_told(listing, directory):
    directory.open("eve", is_admin=True)
    await settled(listing)
    assert await details(listing, "unknown account") == ["`eve` at 2026-11-24 12:01 UTC, admin"]
    assert await listing.audited() == [("porter", "unknown account", "account eve")]
    assert await seen(listing) == {"eve": None}


async def test_the_account_of_a_rejected_request_is_told(listing, directory):
    await mailed(listing, "ann")
    await listing.reviews.reject(MOD, 1)
    directory.open("ann")
    await settled(listing)
    (told,) = await details(listing, "unknown account")
    assert told.endswith("request 1 for this name is rejected")
    assert await listing.statuses() == ["rejected"]


async def test_who_is_quicker_than_our_note_of_his_mail_is_linked(listing, directory):
    await listing.apply("ann")
    await listing.rotation.token_for(1)
    await listing.use_token(1)
    directory.open("ann")
    await listing.accounts.look()
    assert await listing.statuses() == ["registered"]
    await listing.deliver()
    assert await listing.statuses() == ["registered"]
    assert await listing.owed() == 0


async def test_a_name_in_capitals_is_the_same_name(listing, directory):
    await mailed(listing, "ann")
    directory.open("Ann")
    await listing.use_token(1)
    await listing.accounts.look()
    (ann,) = await listing.rows()
    assert (ann.status, ann.account) == (Status.REGISTERED, "Ann")


async def test_of_two_who_asked_for_a_name_it_is_his_who_used_his_token(open_house, directory):
    house = await open_house(
        directory=directory, registration={"name_hold": "1d"}, tokens={"valid_for": "9d"}
    )
    await settled(house)
    await mailed(house, "ann")
    house.clock.turn(days=2)
    await house.apply("ann", "other@example.net", "192.0.2.1")
    await house.deliver()
    await house.use_token(1)
    directory.open("ann")
    await settled(house)
    assert await house.statuses() == ["registered", "mailed"]
    assert await house.alerts() == {}


async def test_a_name_that_was_not_opened_with_its_token_is_told(listing, directory):
    await mailed(listing, "ann")
    directory.open("ann")
    await listing.accounts.look()
    # The homeserver counts a moment after the account is there.
    assert await listing.statuses() == ["mailed"]
    await settled(listing)
    assert await listing.statuses() == ["registered"]
    ((cause, (_, text)),) = (await listing.alerts()).items()
    assert cause == "account token"
    assert text == (
        "The account `ann` of request 1 is there, and the token mailed for it was not used:"
        " somebody else may have taken the name"
    )


async def test_a_token_that_opened_several_accounts_is_told(listing, directory):
    await mailed(listing, "ann")
    directory.open("ann", "ann2", "ann3")
    await listing.use_token(1, times=3)
    await settled(listing)
    told = await listing.alerts()
    assert told["account token"][1] == (
        "The token of request 1, name `ann`, was for one account and opened 3"
    )
    assert told["unknown account"][0] == 2


async def test_accounts_opened_with_a_given_token_are_told_as_maybe_its(listing, directory):
    token, _ = await listing.rotation.given.issue(MOD, 2, listing.settings.tokens.valid_for)
    directory.open("eve")
    await settled(listing)
    assert (await details(listing, "unknown account"))[0].startswith("`eve` at ")
    assert "maybe" not in (await details(listing, "unknown account"))[0]
    listing.source.used[token.value] = 1
    directory.open("friend")
    await settled(listing)
    assert (await details(listing, "unknown account"))[1].endswith("UTC, maybe of token 1")
    directory.open("mallory")
    await settled(listing)
    assert (await details(listing, "unknown account"))[2].endswith("UTC")


async def test_what_the_admin_room_tells_is_linked_or_told(house):
    await mailed(house, "ann")
    await house.use_token(1)

    def tell(c):
        for name in ("ann", "eve", "ann"):
            accounts.seen(c, name, house.clock(), ip="203.0.113.99")

    await house.database.write(tell)
    await settled(house)
    assert await house.statuses() == ["registered"]
    assert await details(house, "unknown account") == [
        "`eve` at 2026-11-24 12:00 UTC, from `203.0.113.0/24`"
    ]
    entry = (await house.database.read(lambda c: audit.search(c, "unknown account")))[0]
    assert entry.subject == "account eve"


async def test_a_stranger_from_the_network_of_somebody_who_waits_may_be_he(open_house):
    house = await open_house(tokens={"mode": "shared", "rotation": "0 0 * * *"})
    await house.rotation.look()
    await mailed(house, "ann", "bob")
    await house.database.write(
        lambda c: accounts.seen(c, "zoe", house.clock(), ip="198.51.1.9")  # bob's network
    )
    await settled(house)
    assert (await details(house, "unknown account"))[0].endswith(
        "from `198.51.1.0/24`, maybe of request 2, from the same network"
    )
    assert await house.statuses() == ["mailed", "mailed"]


async def test_an_account_that_a_rotation_found_used_gets_its_name(listing, directory):
    await mailed(listing, "ann")
    await listing.use_token(1)
    await listing.rotation.rotate(MOD)
    assert (await listing.rows())[0].account is None
    directory.open("ann")
    await settled(listing)
    assert (await listing.rows())[0].account == "ann"
    assert await seen(listing) == {"ann": 1}
    assert await listing.database.read(lambda c: registrations.claiming(c, "ann")) != []


async def test_the_name_that_somebody_asked_for_and_did_not_take_is_not_his_later(
    listing, directory
):
    await mailed(listing, "ann")
    directory.open("yan", "zoe")
    await listing.use_token(1)
    await settled(listing)
    listing.clock.turn(hours=1)
    directory.open("ann")
    await settled(listing)
    assert (await listing.rows())[0].account is None
    assert (await seen(listing))["ann"] is None
    assert (await details(listing, "unknown account"))[-1].startswith("`ann` at")
    assert await listing.database.read(lambda c: owner(c, "ann")) is None
