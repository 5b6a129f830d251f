"""A moderator decides on requests that wait for him, takes it back, and meets another moderator."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from gateway.store import alerts, registrations, tokens
from gateway.store.audit import Author
from gateway.store.registrations import Status
from gateway.stories.registration import Verdict
from tests.gateway.conftest import text_of

MOD = Author("@mod:example.org", "$event")
EVE = Author("@eve:example.org", "$other")


@pytest.fixture
async def house(open_house: Any) -> Any:
    """A house where every request is looked at."""
    return await open_house(review={"all": True})


async def wait_for_look(house: Any, *typed: str) -> int:
    """A request that waits for a decision, its mail sent; its number."""
    assert await house.hear(*typed) == Verdict(is_looked_at=True)
    await house.deliver()
    house.bell.clear()
    return len(await house.rows())


async def message(house: Any, number: int = 1) -> alerts.Alert:
    """The room's message about a request, the newest."""
    found = await house.database.read(lambda c: alerts.pending(c, house.clock(), 100))
    return [each for each in found if each.cause == f"review {number}"][-1]


async def test_the_room_is_asked_with_both_answers_at_hand(house):
    await wait_for_look(house)
    await house.apply("x", "!")
    await wait_for_look(house, "bob", "bob@example.net")
    asked = await message(house, 3)
    assert asked.text == (
        "Request 3 waits for a decision: name `bob`, address `b…@example.net`,"
        " network `203.0.113.0/24`, language `en`\n"
        "Looked at because: every request is looked at\n"
        "Earlier from its network: 2 (1 refused, 1 review); from its domain: 1 (1 review);"
        " from its address: none"
    )
    asked = await message(house)
    assert asked.actions == (("✅", "approve 1"), ("❌", "reject 1"))
    assert asked.ended_at is None


async def test_an_approved_request_gets_its_token(house, post):
    await wait_for_look(house)
    house.clock.turn(days=8)
    approved = await house.reviews.approve(MOD, 1)
    assert approved.status is Status.PENDING
    assert approved.held_until == house.clock() + timedelta(days=7)
    assert not approved.name_checked  # the homeserver is asked again before the mail goes
    assert house.bell.is_set()
    await house.deliver()
    assert await house.statuses() == ["mailed"]
    waits, token = post.to("ann@example.net")
    assert "A person will look at your request" in text_of(waits)
    assert "registration token:" in text_of(token)
    assert await house.audited() == [(MOD.who, "approve", "registration 1")]


async def test_the_message_shows_the_decision_and_who_took_it_days_later(house):
    await wait_for_look(house)
    await wait_for_look(house, "bob", "bob@example.net")
    house.clock.turn(days=2)
    assert await house.database.write(lambda c: alerts.end_silent(c, house.clock())) == 0
    await house.reviews.approve(MOD, 1)
    await house.reviews.reject(EVE, 2)
    first, second = await message(house, 1), await message(house, 2)
    assert "approved by `@mod:example.org`" in first.text
    assert "rejected by `@eve:example.org`" in second.text
    assert first.actions == second.actions == ()
    assert first.ended_at == second.ended_at == house.clock()


async def test_of_two_moderators_one_decides_and_the_other_hears_who_it_was(house):
    await wait_for_look(house)
    heard = await asyncio.gather(
        house.reviews.approve(MOD, 1), house.reviews.reject(EVE, 1, "spam"), return_exceptions=True
    )
    (approved, refused) = heard
    assert approved.status is Status.PENDING
    assert isinstance(refused, ValueError)
    assert "approved already, by @mod:example.org at 2026-11-24 12:00 UTC" in str(refused)
    assert await house.statuses() == ["pending"]
    with pytest.raises(ValueError, match="approved already, by @mod"):
        await house.reviews.approve(EVE, 1)
    assert (await house.reviews.reject(MOD, 1)).status is Status.REJECTED  # he changed his mind
    with pytest.raises(ValueError, match="rejected already, by @mod"):
        await house.reviews.approve(EVE, 1)


@pytest.mark.parametrize("state", ["review", "pending", "mailed", "failed"])
async def test_what_has_no_account_can_be_rejected(open_house, post, state):
    house = await open_house(review={"all": state == "review"})
    await house.apply()
    if state == "failed":
        post.answers.append("550 no such user")
    if state in ("mailed", "failed"):
        await house.deliver()
    assert await house.statuses() == [state]
    rejected = await house.reviews.reject(MOD, 1, "a spammer")
    assert rejected.status is Status.REJECTED
    assert await house.owed() == 0
    due = await house.database.read(lambda c: tokens.due(c, house.clock()))
    assert len(due) == (state in ("mailed", "failed"))
    assert await house.audited() == [(MOD.who, "reject", "registration 1")]
    await house.deliver()
    assert await house.statuses() == ["rejected"]


async def test_there_is_nothing_to_decide_on_other_requests(open_house):
    house = await open_house()
    await house.apply()
    await house.apply("!", "x")
    await house.apply("ann2", "ann@example.net")
    for number, state in ((1, "pending"), (2, "refused"), (3, "repeat")):
        with pytest.raises(ValueError, match=f"{number} is {state}: nothing to decide"):
            await house.reviews.approve(MOD, number)
        with pytest.raises(ValueError, match=f"{number} is {state}: there is no decision"):
            await house.reviews.reopen(MOD, number)
    for number in (2, 3):
        with pytest.raises(ValueError, match="nothing to decide"):
            await house.reviews.reject(MOD, number)
    for decide in (house.reviews.approve, house.reviews.reject, house.reviews.reopen):
        with pytest.raises(ValueError, match=r"There is no registration 9\."):
            await decide(MOD, 9)
    assert await house.audited() == []


async def test_an_approval_is_taken_back_until_the_account_exists(house):
    await wait_for_look(house)
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    reopened = await house.reviews.reopen(EVE, 1)
    assert reopened.status is Status.REVIEW
    assert len(await house.database.read(lambda c: tokens.due(c, house.clock()))) == 1
    assert (await message(house)).actions == (("✅", "approve 1"), ("❌", "reject 1"))
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    await house.database.write(lambda c: registrations.registered(c, 1, house.clock()))
    with pytest.raises(ValueError, match="account of registration 1 exists"):
        await house.reviews.reopen(MOD, 1)


async def test_an_approval_taken_back_at_once_mails_nothing(house, post):
    await wait_for_look(house)
    await house.reviews.approve(MOD, 1)
    await house.reviews.reopen(MOD, 1)
    await house.deliver()
    assert await house.owed() == 0 and len(post.mails) == 1
    assert await house.statuses() == ["review"]


async def test_a_rejection_is_taken_back_and_the_name_held_again(house):
    await wait_for_look(house)
    await house.reviews.reject(MOD, 1)
    house.clock.turn(days=30)
    assert (await house.reviews.reopen(MOD, 1)).held_until == house.clock() + timedelta(days=7)
    assert await house.codes("ann", "eve@example.net") == ["name_held"]


async def test_a_name_that_somebody_took_meanwhile_is_not_taken_from_him(house):
    await wait_for_look(house)
    await house.reviews.reject(MOD, 1)
    house.clock.turn(days=30)
    await house.apply("ann", "eve@example.net")
    with pytest.raises(ValueError, match="Registration 2 has the name of registration 1"):
        await house.reviews.reopen(MOD, 1)
    assert await house.statuses() == ["rejected", "review"]


async def test_several_are_decided_at_once_and_the_others_named(house):
    await wait_for_look(house)
    await wait_for_look(house, "bob", "bob@example.net")
    await house.reviews.reject(EVE, 1)
    decided = await house.reviews.approve_all(MOD, [1, 2, 9, 2])
    assert [each.id for each in decided.done] == [2]
    assert [fault.split(",")[0] for fault in decided.faults] == [
        "Registration 1 was rejected already",
        "There is no registration 9.",
    ]
