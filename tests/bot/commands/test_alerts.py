"""Moderators see what goes on, and choose what they hear of."""

from datetime import timedelta

import pytest

from gateway.store import alerts, mutes
from gateway.store.audit import Author

BURST = "burst network 203.0.113.0/24"


@pytest.fixture
async def burst(desk, clock):
    """A burst that goes on; its number."""
    return await desk.database.write(
        lambda c: alerts.raise_alert(c, BURST, "Burst", clock(), count=12)
    )


async def heard(desk, clock):
    return [each.cause for each in await desk.database.read(lambda c: alerts.pending(c, clock()))]


async def test_alerts_lists_what_lasts(typed, desk, clock, burst):
    assert burst == 1
    await desk.database.write(
        lambda c: alerts.raise_alert(c, "smtp down", "Down", clock(), quiet=None)
    )
    await desk.database.write(
        lambda c: alerts.raise_alert(c, "review 7", "Asked", clock(), quiet=None)
    )
    assert (await typed("alerts")).plain() == (
        "2 alerts\n"
        f"1 · {BURST} · ×12 since 2026-11-24 12:00 UTC\n"
        "2 · smtp down · since 2026-11-24 12:00 UTC\n"
        "1 request waits for a decision: review"
    )
    await desk.database.write(lambda c: alerts.end(c, "smtp down", clock()))
    assert "smtp" not in (await typed("alerts")).plain()


async def test_a_number_mutes_that_alerts_cause_for_a_while(typed, desk, clock, burst):
    answer = await typed(f"mute {burst} --for 1d")
    assert answer.plain() == f"Muted {BURST} until 2026-11-25 12:00 UTC, or until unmute."
    assert await heard(desk, clock) == []
    assert (await typed("alerts")).plain().splitlines()[1:] == [
        f"1 · {BURST} · ×12 since 2026-11-24 12:00 UTC · muted",
        f"Muted: {BURST} until 2026-11-25 12:00 UTC, by @mod:example.org",
    ]
    clock.turn(timedelta(days=1))
    assert await heard(desk, clock) == [BURST]


async def test_a_kind_mutes_all_of_it_but_no_review(typed, desk, clock, burst):
    await desk.database.write(lambda c: alerts.raise_alert(c, "review 7", "Asked", clock()))
    await typed("mute burst")
    assert await heard(desk, clock) == ["review 7"]
    assert (await typed("unmute burst")).plain() == "Heard again: burst"
    assert await heard(desk, clock) == ["review 7", BURST]


@pytest.mark.parametrize("what", ["review", "review 7", "1"])
async def test_a_review_cannot_be_muted(typed, desk, clock, what):
    await desk.database.write(lambda c: alerts.raise_alert(c, "review 7", "Asked", clock()))
    answer = await typed(f"mute {what}")
    assert not answer.ok and "cannot be muted" in answer.plain()


async def test_a_cause_that_nobody_knows_is_answered_with_the_kinds(typed, burst):
    answer = await typed("mute everything")
    assert not answer.ok
    assert "'everything' is no cause of an alert" in answer.plain()
    assert "burst, hits, names" in answer.plain()
    assert "There is no alert 9" in (await typed("mute 9")).plain()
    assert "is not muted" in (await typed("unmute 1")).plain()
    await typed("mute burst")
    assert "is not muted by itself, but as all of 'burst'" in (await typed("unmute 1")).plain()


async def test_who_muted_stands_in_the_audit(typed, burst):
    await typed(f"mute {BURST}")
    await typed(f"unmute {burst}")
    told = (await typed("log")).plain()
    assert f"mute alert {BURST}" in told and f"unmute alert {BURST}" in told


async def test_what_came_and_went_while_muted_is_never_told(typed, desk, clock, burst):
    await typed("mute burst --for 1d")
    clock.turn(timedelta(hours=2))
    await desk.vigil.look()
    clock.turn(timedelta(days=2))
    assert await heard(desk, clock) == []


async def test_a_message_that_stands_in_the_room_is_ended_though_muted(typed, desk, clock, burst):
    await desk.database.write(lambda c: alerts.shown(c, burst, 1, "$message"))
    await typed("mute burst")
    await desk.database.write(lambda c: alerts.end(c, BURST, clock()))
    assert await heard(desk, clock) == [BURST]


async def test_muting_again_is_the_newer_mute(desk, clock, burst):
    mod = Author("@mod:example.org")
    for days in (1, 9):
        await desk.muting.mute(mod, ["burst"], timedelta(days=days))
    (mute,) = await desk.database.read(lambda c: mutes.in_force(c, clock()))
    assert mute.until == clock() + timedelta(days=9)
