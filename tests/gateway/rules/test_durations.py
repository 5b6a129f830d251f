"""Spans of time read as people write them, and read back what they wrote."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.durations import format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90", timedelta(seconds=90)),
        ("7d", timedelta(days=7)),
        ("1h30m", timedelta(minutes=90)),
        ("2 weeks", timedelta(weeks=2)),
        ("1 day 5 min", timedelta(days=1, minutes=5)),
        ("0", timedelta()),
    ],
)
def test_reads(text, span):
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", " ", "soon", "-1h", "1.5h", "7 dogs", "h", "1h later", "٣d"])
def test_refuses_what_is_no_span(text):
    with pytest.raises(ValueError, match="no span of time"):
        parse_duration(text)


def test_refuses_more_than_a_century():
    with pytest.raises(ValueError, match="longer than a century"):
        parse_duration("99999999w")


@given(st.integers(0, 36500 * 86400))
def test_what_is_written_reads_back(seconds):
    span = timedelta(seconds=seconds)
    assert parse_duration(format_duration(span)) == span
