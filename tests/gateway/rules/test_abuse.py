"""Abuse: an alert when refusals come thick, and none when they come one by one."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.rules import abuse
from gateway.rules.abuse import Bursts
from gateway.rules.limits import Limit

START = datetime(2026, 5, 1, tzinfo=UTC)


def noted(bursts, cause, *seconds):
    return [bursts.note(cause, START + timedelta(seconds=each)) for each in seconds]


def test_a_burst_is_told_from_its_last_refusal_on():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "198.51.100.0/24", 0, 20, 40, 50) == [False, False, True, True]


def test_slow_refusals_are_no_burst():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "198.51.100.0/24", *range(0, 600, 31)) == [False] * 20


def test_the_span_slides():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "x", 0, 50, 70, 100, 171) == [False, False, False, True, False]


def test_each_cause_counts_for_itself():
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    assert noted(bursts, "@spam.example", 0) == [False]
    assert noted(bursts, "198.51.100.0/24", 1) == [False]
    assert noted(bursts, "@spam.example", 2) == [True]


@pytest.mark.parametrize("count", [0, 1])
def test_a_limit_of_none_or_one_tells_of_each(count):
    assert noted(Bursts(Limit(count, timedelta(minutes=1))), "x", 0, 3600) == [True, True]


def test_a_flood_of_causes_forgets_the_longest_silent(monkeypatch):
    monkeypatch.setattr(abuse, "_MOST_CAUSES", 3)
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    for cause in ("a", "b", "c"):
        noted(bursts, cause, 0)
    assert noted(bursts, "a", 1) == [True]
    noted(bursts, "d", 2)
    assert noted(bursts, "b", 3) == [False]
    assert noted(bursts, "a", 4) == [True]


def test_a_clock_that_steps_back_does_no_harm():
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    assert noted(bursts, "x", 100, 0) == [False, True]
