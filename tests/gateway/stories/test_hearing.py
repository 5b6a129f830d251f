"""How many requests are heard at once."""

from contextlib import ExitStack

import pytest

from gateway.stories.hearing import Hearing


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def hearing(clock: Clock) -> Hearing:
    return Hearing(clock)


def come(hearing: Hearing, count: int) -> ExitStack:
    """So many come in; they leave with the stack."""
    inside = ExitStack()
    for _ in range(count):
        assert not hearing.is_full
        inside.enter_context(hearing)
    return inside


def late(hearing: Hearing, clock: Clock) -> None:
    """A decision that takes a second."""
    with hearing.deciding():
        clock.now += 1


def test_so_many_are_heard_at_once_and_no_more(hearing: Hearing) -> None:
    with come(hearing, 64):
        assert hearing.is_full
    assert not hearing.is_full


def test_in_a_crowd_nobody_waits_for_other_servers(hearing: Hearing) -> None:
    with come(hearing, 16):
        assert not hearing.is_crowded
        with hearing:
            assert hearing.is_crowded


def test_few_are_heard_while_decisions_are_late(hearing: Hearing, clock: Clock) -> None:
    late(hearing, clock)
    with come(hearing, 8):
        assert hearing.is_full
        clock.now += 1
        assert not hearing.is_full, "it has had the time to catch up"


def test_whoever_comes_alone_is_heard_however_late_it_is(hearing: Hearing, clock: Clock) -> None:
    late(hearing, clock)
    assert not hearing.is_full


def test_a_decision_that_fails_late_is_late_too(hearing: Hearing, clock: Clock) -> None:
    with pytest.raises(OSError, match="disk"), hearing.deciding():
        clock.now += 1
        raise OSError("disk")
    with come(hearing, 8):
        assert hearing.is_full


def test_who_fails_leaves_his_place(hearing: Hearing) -> None:
    for _ in range(65):
        with pytest.raises(OSError, match="disk"), hearing:
            raise OSError("disk")
    assert not hearing.is_full
