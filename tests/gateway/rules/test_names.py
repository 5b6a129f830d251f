"""Names: what every server takes, in the small letters in which it keeps them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.names import parse_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("ada", "ada"),
        ("  Ada.Lovelace ", "ada.lovelace"),
        ("@ada:example.org", "ada"),
        ("@ada", "ada"),
        ("4711-x", "4711-x"),
        ("a_b=c", "a_b=c"),
    ],
)
def test_reads_what_people_type(typed, name):
    assert parse_name(typed, "example.org") == name


@pytest.mark.parametrize(
    "typed",
    [
        *("", "   ", "@", "@:example.org"),
        *("ada lovelace", "ada/x", "ada+x", "_ada", "-ada", ".ada", "ada:other.org"),
        *("adä", "ада", "\u212aelvin", "\u0130stanbul", "ada\u202e", "ada\x00", "ada\nbob"),
        *("12345", "٣٤٥"),
    ],
)
def test_refuses_what_some_server_would_not_take(typed):
    with pytest.raises(ValueError, match=r"\."):
        parse_name(typed, "example.org")


def test_the_whole_id_fits_every_server():
    longest = 254 - len("@:example.org")
    assert parse_name("a" * longest, "example.org") == "a" * longest
    with pytest.raises(ValueError, match=f"at most {longest} characters"):
        parse_name("a" * (longest + 1), "example.org")


@given(st.text() | st.from_regex(r"@?[A-Za-z0-9._=-]{1,30}(:example\.org)?"))
def test_a_name_that_was_read_reads_as_itself(typed):
    try:
        name = parse_name(typed, "example.org")
    except ValueError:
        return
    assert parse_name(name, "example.org") == name
    assert parse_name(f"@{name}:example.org", "example.org") == name
    assert name.isascii()
    assert name == name.lower()
