"""Tokens: strong, easy to type, and changed by a clock that knows no summer time."""

from collections import Counter
from datetime import UTC, datetime, timedelta, timezone
from math import log2
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.tokens import ALPHABET, Schedule, new_token


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_token_has_more_than_128_bits():
    assert len(set(ALPHABET)) == len(ALPHABET)
    assert len(new_token()) * log2(len(ALPHABET)) > 128


def test_a_token_can_be_read_aloud():
    assert set("".join(new_token() for _ in range(200))) == set(ALPHABET)
    assert not set("il1o0ILO") & set(ALPHABET)
    assert ALPHABET.isascii()
    assert ALPHABET.isalnum()
    assert ALPHABET.islower()


def test_no_token_comes_twice():
    assert Counter(new_token() for _ in range(1000)).most_common(1)[0][1] == 1


@pytest.mark.parametrize(
    ("cron", "now", "slot", "following"),
    [
        ("0 0 * * *", "2026-05-01T12:00", "2026-05-01T00:00", "2026-05-02T00:00"),
        # The very moment belongs to the slot that begins with it.
        ("0 0 * * *", "2026-05-01T00:00", "2026-05-01T00:00", "2026-05-02T00:00"),
        ("0 0 * * *", "2026-04-30T23:59:59.999999", "2026-04-30T00:00", "2026-05-01T00:00"),
        ("0 0 * * *", "2026-05-01T00:00:00.000001", "2026-05-01T00:00", "2026-05-02T00:00"),
        # Year ends and leap days.
        ("30 23 31 12 *", "2026-12-31T23:30", "2026-12-31T23:30", "2027-12-31T23:30"),
        ("0 0 1 1 *", "2026-12-31T23:59:59", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("0 0 29 2 *", "2026-05-01T00:00", "2024-02-29T00:00", "2028-02-29T00:00"),
        ("0 0 L * *", "2026-02-10T00:00", "2026-01-31T00:00", "2026-02-28T00:00"),
        ("0 6 * * 1", "2026-12-30T00:00", "2026-12-28T06:00", "2027-01-04T06:00"),
        # The nights in which Europe changes its clocks.
        ("30 2 * * *", "2026-03-29T02:30", "2026-03-29T02:30", "2026-03-30T02:30"),
        ("30 2 * * *", "2026-10-25T01:00", "2026-10-24T02:30", "2026-10-25T02:30"),
        ("0 * * * *", "2026-10-25T00:59", "2026-10-25T00:00", "2026-10-25T01:00"),
    ],
)
def test_a_slot_holds_from_its_moment_until_the_next(cron, now, slot, following):
    schedule = Schedule(cron)
    assert schedule.slot(at(now)) == at(slot)
    assert schedule.next(at(now)) == at(following)
    assert schedule.slot(at(now)).utcoffset() == timedelta()


@pytest.mark.parametrize(
    "zone", [ZoneInfo("Europe/Berlin"), ZoneInfo("America/St_Johns"), timezone(timedelta(hours=14))]
)
def test_the_schedule_is_utc_whatever_clock_asks(zone):
    schedule = Schedule("30 2 * * *", timedelta(hours=1))
    for hours in range(0, 24 * 365, 7):
        now = at("2026-01-01T00:00") + timedelta(hours=hours)
        elsewhere = now.astimezone(zone)
        assert schedule.slot(elsewhere) == schedule.slot(now)
        assert schedule.next(elsewhere) == schedule.next(now)
        assert schedule.opening(elsewhere) == schedule.opening(now)


@given(
    st.sampled_from(
        ["* * * * *", "*/7 3 * * *", "0 0 * * 0", "15 14 1 * *", "59/15 * * * *", "0 0 31 * 5"]
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),
)
def test_slots_follow_each_other_without_gap_or_overlap(cron, now):
    schedule = Schedule(cron)
    slot, following = schedule.slot(now), schedule.next(now)
    assert slot <= now < following
    assert schedule.next(slot) == following
    assert schedule.slot(following) == following
    assert schedule.slot(following - timedelta(microseconds=1)) == slot
