"""Languages: which one a visitor gets, and how a span of time is said."""

import gettext
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import words


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("en-GB,en;q=0.9", "en"),
        ("de-AT,de;q=0.9,en;q=0.5", "de"),
        ("fr,en;q=0.4,de;q=0.6", "de"),
        ("de;q=0.5,en;q=0.5", "de"),
        ("de;q=0", "en"),
        ("de;q=nan,de;q=7", "en"),
        ("*", "en"),
        ("DE", "de"),
        ("../../etc/passwd", "en"),
    ],
)
def test_the_language_that_is_liked_best(
    header: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "languages", lambda: ("en", "de"))
    words.preferred.cache_clear()
    try:
        assert words.preferred(header) == language
    finally:
        words.preferred.cache_clear()


@given(st.text(max_size=800))
def test_whatever_a_browser_sends_we_speak_the_language(header: str) -> None:
    assert words.preferred(header) in words.languages()


def test_english_needs_no_catalogue() -> None:
    assert words.languages()[0] == "en"
    assert words.speech("en").gettext("User name") == "User name"
    assert words.speech("../tlh").gettext("User name") == "User name"


@pytest.mark.parametrize(
    ("left", "text"),
    [
        (timedelta(hours=3, minutes=41), "3 hours and 41 minutes"),
        (timedelta(hours=1, minutes=1, seconds=59), "1 hour and 1 minute"),
        (timedelta(days=2, hours=1, minutes=5), "2 days and 1 hour"),
        (timedelta(days=1, minutes=5), "1 day and 5 minutes"),
        (timedelta(hours=2), "2 hours"),
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=-5), "less than a minute"),
    ],
)
def test_a_span_is_said_in_its_two_largest_units(left: timedelta, text: str) -> None:
    assert words.time_left(left, gettext.NullTranslations()) == text
