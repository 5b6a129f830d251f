"""Where a mistake lies in a typed line, and how it is pointed at."""

import pytest

from bot.mistakes import find, nearest, pointed


@pytest.mark.parametrize(
    ("words", "span", "shown"),
    [
        (["a", "bb", "c"], (1, 2), "a bb c\n  ^^"),
        (["a"], (1, 2), "a\n  ^"),
        (["x y", ""], (0, 1), '"x y" ""\n^^^^^'),
        (["e\u0301", "b"], (1, 2), "e\u0301 b\n  ^"),
        (["a\nb", "\u202e"], (1, 2), "a\\u000ab \\u202e\n         ^^^^^^"),
    ],
)
def test_the_carets_stand_under_the_word(words, span, shown):
    assert pointed(words, span).text == shown


def test_a_sentence_is_about_the_value_that_it_begins_with():
    line, span = find(ValueError("'b' is nothing."), ["a", "b", "--x=b"])
    assert span == (2, 3)
    assert line[1] == " is nothing."
    assert find(ValueError("'zz' is nothing."), ["a", "b"]) == ("'zz' is nothing.", None)


def test_a_shortened_value_is_recognised():
    word = "x" * 100
    assert find(ValueError(f"{word[:40]!r} is long."), ["a", word])[1] == (1, 2)


def test_swapped_letters_are_the_likeliest_slip():
    assert nearest("Stauts", ["stats", "status"]) == "status"
    assert nearest("stas", ["status", "stats"]) == "stats"


def test_nothing_is_near_to_nonsense():
    assert nearest("Statsu", ["status", "resume"]) == "status"
    assert nearest("qqq", ["status"]) is None
