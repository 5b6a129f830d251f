"""Opening: the page closes `downtime` before a rotation and reopens with it."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.rules.opening import Opening
from gateway.rules.tokens import Schedule

MIDNIGHT = datetime(2026, 5, 2, tzinfo=UTC)
CLOSING = MIDNIGHT - timedelta(minutes=30)


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        (CLOSING - timedelta(hours=3, minutes=41), Opening(True, CLOSING)),
        (CLOSING - timedelta(microseconds=1), Opening(True, CLOSING)),
        (CLOSING, Opening(False, MIDNIGHT)),
        (MIDNIGHT - timedelta(microseconds=1), Opening(False, MIDNIGHT)),
        (MIDNIGHT, Opening(True, CLOSING + timedelta(days=1))),
    ],
)
def test_closed_from_the_downtime_until_the_rotation(now, opening):
    assert Schedule("0 0 * * *", timedelta(minutes=30)).opening(now) == opening


def test_without_downtime_it_never_closes():
    assert Schedule("0 0 * * *").opening(MIDNIGHT) == Opening(True)


def test_a_downtime_longer_than_the_time_between_two_rotations_leaves_it_closed():
    schedule = Schedule("0 * * * *", timedelta(hours=2))
    assert schedule.opening(MIDNIGHT) == Opening(False, MIDNIGHT + timedelta(hours=1))
