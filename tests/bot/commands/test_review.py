"""Moderators see which requests wait for them, and decide on several at once."""

from datetime import timedelta
from pathlib import Path

import pytest

from gateway.settings.config import parse
from gateway.store import registrations
from gateway.store.audit import Author
from tests.bot.conftest import CONFIG

EVE = Author("@eve:example.org", "$other")


@pytest.fixture
def settings(tmp_path: Path):
    return parse(CONFIG + "review: {all: true}\n", tmp_path, {})


async def test_those_that_wait_are_listed_oldest_first_with_what_is_needed(typed, apply, clock):
    assert (await typed("review")).plain() == "No request waits for a decision."
    await apply()
    clock.turn(timedelta(hours=1))
    await apply("bob", "bob@example.net", "2001:db8::7")
    answer = await typed("review")
    assert answer.plain().splitlines() == [
        "2 wait for a decision.",
        "1, name ann, address a…@example.net, from 203.0.113.0/24,"
        " asked at 2026-11-24 12:00 UTC, language en",
        "Looked at because: every request is looked at",
        "Earlier from its network: none; from its domain: none; from its address: none",
        "2, name bob, address b…@example.net, from 2001:db8::/64,"
        " asked at 2026-11-24 13:00 UTC, language en",
        "Looked at because: every request is looked at",
        "Earlier from its network: none; from its domain: 1 (1 review); from its address: none",
        "Say approve ID... or reject ID... [REASON].",
    ]
    assert answer.offers == ()
    await typed("approve 1")
    assert (await typed("review")).plain().startswith("1 waits for a decision.")
    assert (await typed("review")).offers == (("✅", "approve 2"), ("❌", "reject 2"))


async def test_several_are_decided_in_one_message(typed, apply, desk):
    for name in ("ann", "bob", "cid", "dan"):
        await apply(name, f"{name}@example.net")
    assert (await typed("approve #1 2")).plain().splitlines() == [
        "Approved: 1, name ann, address a…@example.net; the mail with the token is on its way.",
        "Approved: 2, name bob, address b…@example.net; the mail with the token is on its way.",
    ]
    await desk.reviews.reject(EVE, 3)
    answer = await typed("reject 3 4 sold us carpets before")
    assert not answer.ok
    assert answer.plain().splitlines() == [
        "Rejected: 4, name dan, address d…@example.net.",
        "Registration 3 was rejected already, by @eve:example.org at 2026-11-24 12:00 UTC"
        " (undo 3 takes that back).",
    ]
    story = (await typed("registration 4")).plain()
    assert "Rejected at 2026-11-24 12:00 UTC by @mod:example.org: sold us carpets before" in story
    assert "Looked at because: every request is looked at" in story
    assert "Mail that a person looks: cancelled" in story
    assert "2 pending" in (await typed("status")).plain()


async def test_what_cannot_be_read_decides_nothing(typed, apply):
    await apply()
    for line in ("approve", "approve ann", "approve 1 ann", "reject", "reject spam 1"):
        assert not (await typed(line)).ok
    assert "1 wait" in (await typed("review")).plain()
    assert "There is no registration 9." in (await typed("approve 9")).plain()


async def test_a_rejection_says_when_a_shared_token_is_out_already(typed, apply, desk, clock):
    await apply()
    await typed("approve 1")
    await desk.rotation.look()
    token = await desk.rotation.token_for(1)
    await desk.database.write(lambda c: registrations.mailed(c, 1, token.id, clock()))
    assert "token rotate" in (await typed("reject 1")).plain()


async def test_a_reason_may_begin_with_a_number_when_it_is_quoted(typed, apply):
    await apply()
    await apply("bob", "bob@example.net")
    assert (await typed('reject 1 "2 accounts already"')).ok
    assert "1 wait" in (await typed("review")).plain()
    assert "by @mod:example.org: 2 accounts already" in (await typed("registration 1")).plain()


async def test_a_decision_is_undone_by_command(typed, apply):
    await apply()
    await typed("approve 1")
    assert (await typed("undo")).ok
    assert "1 wait" in (await typed("review")).plain()
    await typed("reject 1")
    assert (await typed("undo")).ok
    assert "1 wait" in (await typed("review")).plain()


async def test_what_waits_is_not_sent_again(typed, apply):
    await apply()
    answer = await typed("resend 1")
    assert not answer.ok and "Registration 1 is review" in answer.plain()
