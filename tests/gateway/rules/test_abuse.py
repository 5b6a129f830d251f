"""Abuse: an alert when refusals come thick, and none when they come one by one."""

import weakref
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from gateway.rules import abuse
from gateway.rules.abuse import Bursts
from gateway.rules.limits import Limit

START = datetime(2026, 5, 1, tzinfo=UTC)


def noted(bursts, cause, *seconds):
    """How many there are to tell of after each."""
    told = [bursts.note(cause, START + timedelta(seconds=each)) for each in seconds]
    return [0 if burst is None else burst.count for burst in told]


def test_a_burst_is_told_from_its_last_refusal_on():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "198.51.100.0/24", 0, 20, 40, 50) == [0, 0, 3, 1]


def test_slow_refusals_are_no_burst():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "198.51.100.0/24", *range(0, 600, 31)) == [0] * 20


def test_the_span_slides():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "x", 0, 50, 70, 100, 171) == [0, 0, 0, 3, 0]


def test_each_cause_counts_for_itself():
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    assert noted(bursts, "@spam.example", 0) == [0]
    assert noted(bursts, "198.51.100.0/24", 1) == [0]
    assert noted(bursts, "@spam.example", 2) == [2]


@pytest.mark.parametrize("count", [0, 1])
def test_a_limit_of_none_or_one_tells_of_each(count):
    assert noted(Bursts(Limit(count, timedelta(minutes=1))), "x", 0, 3600) == [1, 1]


def test_a_flood_of_causes_forgets_the_longest_silent(monkeypatch):
    monkeypatch.setattr(abuse, "MOST_CAUSES", 3)
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    for cause in ("a", "b", "c"):
        noted(bursts, cause, 0)
    assert noted(bursts, "a", 1) == [2]
    noted(bursts, "d", 2)
    assert noted(bursts, "b", 3) == [0]
    assert noted(bursts, "a", 4) == [1]


def test_a_clock_that_steps_back_does_no_harm():
    bursts = Bursts(Limit(2, timedelta(minutes=1)))
    assert noted(bursts, "x", 100, 0) == [0, 2]


def test_a_burst_tells_of_its_beginning_and_shows_some_of_it():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    for second in (0, 300, 310):
        at = START + timedelta(seconds=second)
        assert bursts.note("x", at, f"at {second}".upper) is None
    burst = bursts.note("x", START + timedelta(seconds=320), "at 320".upper)
    assert burst is not None
    assert burst.since == START + timedelta(seconds=300)
    assert tuple(each() for each in burst.samples) == ("AT 300", "AT 310", "AT 320")


def test_what_was_told_is_not_told_again_when_a_burst_flares_up():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    assert noted(bursts, "x", 0, 10, 20, 75, 78, 79) == [0, 0, 3, 0, 2, 1]


def test_with_a_value_only_different_ones_count():
    bursts = Bursts(Limit(3, timedelta(minutes=1)))
    told = [bursts.note("one person", START, value=name) for name in "aabbacdd"]
    assert [burst and burst.count for burst in told] == [*[None] * 5, 3, 1, None]


def test_of_many_only_the_last_few_are_kept_to_be_looked_at() -> None:
    bursts = Bursts(Limit(20, timedelta(days=1)))
    kept: weakref.WeakSet[Callable[[], str]] = weakref.WeakSet()
    for number in range(19):
        sample = partial(str, number)
        kept.add(sample)
        assert bursts.note("c", START, sample, f"name{number}") is None
    del sample
    assert len(kept) == 5
    burst = bursts.note("c", START, lambda: "19", "name19")
    assert burst is not None
    assert burst.count == 20
    assert [each() for each in burst.samples] == ["15", "16", "17", "18", "19"]
