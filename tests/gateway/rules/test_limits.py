"""A limit reads as a sentence and counts as it reads."""

from datetime import timedelta

import pytest

from gateway.rules.limits import Limit, parse_limit


def test_reads_the_sentence():
    assert parse_limit("10 per 1h") == Limit(10, timedelta(hours=1))
    assert parse_limit("1000 per day") == Limit(1000, timedelta(days=1))
    assert str(Limit(10, timedelta(minutes=90))) == "10 per 1h30m"


@pytest.mark.parametrize("text", ["10", "ten per 1h", "10 per", "10 per moon", "-1 per 1h"])
def test_refuses_what_is_no_limit(text):
    with pytest.raises(ValueError, match=r"no limit|no span of time"):
        parse_limit(text)


def test_refuses_a_span_of_nothing():
    with pytest.raises(ValueError, match="zero"):
        parse_limit("10 per 0s")


@pytest.mark.parametrize("number", ["1000000001", "9" * 23, "9" * 5000])
def test_refuses_a_number_that_no_database_counts_to(number):
    with pytest.raises(ValueError, match="is more than 1000000000 at most"):
        parse_limit(f"{number} per 1h")
    assert parse_limit("0001000000000 per 1h").count == 1_000_000_000


def test_lets_through_as_many_as_it_says():
    limit = Limit(2, timedelta(hours=1))
    assert [limit.allows(seen) for seen in range(4)] == [True, True, False, False]
