"""How long mails take is judged by those that went out, not by one bad mailbox."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.rules.pace import Pace, judge

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def minutes(*numbers: float) -> list[timedelta]:
    return [timedelta(minutes=number) for number in numbers]


@pytest.mark.parametrize(
    ("spans", "told"),
    [
        ([], None),
        (minutes(0.1, 0.2, 60), None),
        (minutes(2), None),
        (minutes(2.1), 3),
        (minutes(10), 10),
        (minutes(10.5), 15),
        (minutes(18, 18, 18), 20),
        (minutes(0, 20), 10),
        (minutes(1, 17.5, 500), 20),
        (minutes(119), 120),
        (minutes(-5), None),
    ],
)
def test_the_middle_of_the_latest_mails_is_told(spans: list[timedelta], told: int | None) -> None:
    assert judge(spans, None, NOW) == Pace(told)


@pytest.mark.parametrize(
    ("waits", "is_held_up"), [(9.9, False), (10, False), (10.1, True), (600, True), (-60, False)]
)
def test_mails_are_held_up_when_nothing_has_gone_out_for_long(
    waits: float, is_held_up: bool
) -> None:
    since = NOW - timedelta(minutes=waits)
    assert judge(minutes(0.1), since, NOW) == Pace(is_held_up=is_held_up)
