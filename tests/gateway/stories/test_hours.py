"""The desk's hours: paused by moderators, closed before a rotation, and both at once."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.opening import Opening
from gateway.rules.tokens import Schedule
from gateway.store.audit import Author
from gateway.stories.hours import Hours, _read, _told

MOD = Author("@mod:example.org", "$event")
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
DOWNTIME = {"mode": "shared", "rotation": "0 0 * * *", "downtime": "35m"}


async def test_a_desk_without_a_schedule_is_open_and_nobody_knows_until_when(house):
    assert await house.hours.opening() == Opening(True)


async def test_it_closes_before_a_rotation_and_reopens_at_it(open_house):
    house = await open_house(tokens=DOWNTIME)
    closes = MIDNIGHT - timedelta(minutes=35)
    assert await house.hours.opening() == Opening(True, closes)
    house.clock.now = closes - timedelta(microseconds=1)
    assert (await house.hours.opening()).is_open
    house.clock.now = closes
    assert await house.hours.opening() == Opening(False, MIDNIGHT)
    house.clock.now = MIDNIGHT
    assert await house.hours.opening() == Opening(True, closes + timedelta(days=1))


async def test_a_pause_for_a_while_ends_by_itself(house):
    paused = await house.hours.pause(MOD, timedelta(hours=2), "Gone fishing")
    assert paused == Opening(False, house.clock.now + timedelta(hours=2), "Gone fishing")
    assert await house.hours.opening() == paused
    house.clock.turn(hours=2, microseconds=-1)
    assert await house.hours.opening() == paused
    house.clock.turn(microseconds=1)
    assert (await house.hours.opening()).is_open
    assert await house.hours.resume(MOD) is False
    assert await house.audited() == [(MOD.who, "pause", "desk")]


async def test_a_pause_without_an_end_lasts_until_somebody_resumes(house):
    await house.hours.pause(MOD, None)
    house.clock.turn(days=999)
    assert await house.hours.opening() == Opening(False)
    assert await house.hours.resume(MOD) is True
    assert await house.hours.opening() == Opening(True)
    assert await house.hours.resume(MOD) is False
    assert [action for _, action, _ in await house.audited()] == ["pause", "resume"]


async def test_whoever_pauses_sees_it_at_once(house):
    assert (await house.hours.opening()).is_open
    await house.hours.pause(MOD, None)
    assert not (await house.hours.opening()).is_open
    await house.hours.resume(MOD)
    assert (await house.hours.opening()).is_open


async def test_the_later_pause_counts(house):
    await house.hours.pause(MOD, None, "first")
    await house.hours.pause(MOD, timedelta(hours=1), "second")
    assert (await house.hours.opening()).message == "second"
    house.clock.turn(hours=1)
    assert (await house.hours.opening()).is_open


async def test_a_pause_outlives_the_process_and_every_process_sees_it(house, open_house):
    other = await open_house()
    assert (await other.hours.opening()).is_open
    await house.hours.pause(MOD, None, "all hands")
    other.clock.turn(seconds=1)
    assert await other.hours.opening() == Opening(False, None, "all hands")
    third = await open_house()
    assert await third.hours.opening() == Opening(False, None, "all hands")
    await third.hours.resume(MOD)
    house.clock.turn(seconds=1)
    assert (await house.hours.opening()).is_open


async def test_what_was_read_is_shown_for_a_second_and_no_longer(house, open_house):
    other = await open_house()
    assert (await other.hours.opening()).is_open
    await house.hours.pause(MOD, None)
    house.clock.turn(seconds=-5)
    assert not (await other.hours.opening()).is_open  # also when the clock was set back


async def test_a_pause_that_ends_in_a_downtime_goes_on_as_one(open_house):
    house = await open_house(tokens=DOWNTIME)
    until = MIDNIGHT - timedelta(minutes=10)
    await house.hours.pause(MOD, until - house.clock.now)
    assert (await house.hours.opening()).changes_at == MIDNIGHT
    house.clock.now = until
    assert await house.hours.opening() == Opening(False, MIDNIGHT)


async def test_a_pause_within_a_downtime_lasts_its_time(open_house):
    house = await open_house(tokens=DOWNTIME)
    house.clock.now = MIDNIGHT - timedelta(minutes=5)
    await house.hours.pause(MOD, timedelta(hours=1), "counting")
    expected = Opening(False, MIDNIGHT + timedelta(minutes=55), "counting")
    assert await house.hours.opening() == expected
    await house.hours.resume(MOD)
    assert await house.hours.opening() == Opening(False, MIDNIGHT)


@pytest.mark.parametrize("message", ["", "`\"'<b>\x00", "\u202e", "😀" * 1000])
async def test_a_message_comes_back_as_it_was_given(house, message):
    await house.hours.pause(MOD, None, message)
    house.clock.turn(seconds=2)
    assert (await house.hours.opening()).message == message


async def test_many_visitors_at_once_ask_the_database_and_agree(house):
    await house.hours.pause(MOD, None)
    seen = await asyncio.gather(*(house.hours.opening() for _ in range(50)))
    assert set(seen) == {Opening(False)}


async def test_in_a_rush_one_visitor_a_second_asks_the_database(house, monkeypatch):
    await house.hours.opening()
    asked = []
    read = house.database.read

    async def count(work):
        asked.append(work)
        return await read(work)

    monkeypatch.setattr(house.database, "read", count)
    house.clock.turn(seconds=2)
    seen = await asyncio.gather(*(house.hours.opening() for _ in range(50)))
    assert set(seen) == {Opening(True)}
    assert len(asked) == 1


async def test_inside_a_transaction_the_pause_of_this_moment_counts(house):
    hours = Hours(house.database, Schedule("0 0 * * *"), house.clock)
    assert (await hours.opening()).is_open
    await house.hours.pause(MOD, None)
    standing = await house.database.write(lambda c: hours.standing(c, house.clock.now))
    assert not standing.is_open


@given(message=st.none() | st.text(min_size=1, max_size=30), hours=st.none() | st.integers(1, 99))
def test_a_pause_is_read_back_from_its_words(message, hours):
    until = None if hours is None else (MIDNIGHT + timedelta(hours=hours)).isoformat()
    kept = {"until": until, "message": message}
    assert json.loads(_read(_told(json.dumps(kept)))) == kept
    assert _read(_told(None)) is None
