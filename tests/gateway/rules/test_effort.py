"""How hard the proof of work is."""

import pytest

from gateway.rules.effort import Strain, most_tries, usual, worth_counting
from gateway.rules.limits import parse_limit


@pytest.mark.parametrize(
    ("heard", "refused", "tries"),
    [
        (0, 0, 2000),
        (9, 1, 2000),  # one typing error costs nobody anything
        (19, 0, 2000),
        (20, 0, 4000),
        (40, 0, 8000),
        (0, 2, 4000),
        (0, 4, 8000),
        (0, 8, 16_000),
        (20, 2, 8000),
        (80, 2, 32_000),
        (10**9, 10**9, 32_000),  # a phone still does it
    ],
)
def test_it_doubles_with_the_crowd_and_the_suspicion_up_to_a_cap(
    heard: int, refused: int, tries: int
) -> None:
    assert most_tries(Strain(heard, refused), 10) == tries


@pytest.mark.parametrize(
    ("limits", "requests"),
    [
        ((), 60),
        (("1000 per 1d",), 10),  # 3.5 in five minutes: too few for a measure
        (("600 per 1h",), 50),
        (("600 per 1h", "1000 per 1d"), 50),
        (("0 per 1h",), 10),
    ],
)
def test_what_is_usual_stands_in_the_limits(limits: tuple[str, ...], requests: int) -> None:
    assert usual([parse_limit(each) for each in limits]) == requests


@pytest.mark.parametrize("requests", [10, 60, 10**6])
def test_counting_may_end_where_nothing_gets_harder(requests: int) -> None:
    most = worth_counting(requests)
    for strain in (Strain(most.heard, 0), Strain(0, most.refused)):
        assert most_tries(strain, requests) == most_tries(Strain(10**12, 10**12), requests)


def test_a_span_shorter_than_the_measure_counts_for_more() -> None:
    assert usual([parse_limit("30 per 1m")]) == 150
