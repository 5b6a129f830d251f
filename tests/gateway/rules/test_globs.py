"""Globs: they mean what people expect of them, from the first character to the last."""

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.globs import expression, is_glob
from gateway.rules.patterns import compiled


def hits(glob, text):
    return compiled(expression(glob)).search(text) is not None


@pytest.mark.parametrize(
    ("glob", "hit", "missed"),
    [
        ("spam*@x.org", "spam7@x.org", "nospam@x.org"),
        ("*@x.org", "a@x.org", "a@x.organic"),
        ("a?c", "abc", "ac"),
        ("a.c", "a.c", "abc"),
        ("a+b", "a+b", "aab"),
        ("[abc]x", "bx", "dx"),
        ("[!abc]x", "dx", "bx"),
        ("[0-9]*", "7up", "up7"),
        ("[]]x", "]x", "x"),
        ("[!]]x", "ax", "]x"),
        ("[a^]x", "^x", "!x"),
        ("[^a]x", "ax", "bx"),
        (r"[\]x", "\\x", "x"),
        ("[[]x", "[x", "x"),
        ("[x", "[x", "x"),
        ("[!]", "[!]", "a"),
        ("[]", "[]", ""),
        ("(a|b){2}$", "(a|b){2}$", "ab"),
    ],
)
def test_each_character_means_what_it_says(glob, hit, missed):
    assert hits(glob, hit)
    assert not hits(glob, missed)


def test_only_what_has_a_meaning_makes_a_glob():
    assert all(map(is_glob, ("*@x.org", "a?@x.org", "[ab]@x.org")))
    assert not any(map(is_glob, ("a+b@x.org", "a.b@x.org", "@x.org", "")))


def slow(glob, text):
    """Without classes: one character after the other, as written in every textbook."""

    @cache
    def match(g, t):
        if g == len(glob):
            return t == len(text)
        if glob[g] == "*":
            return match(g + 1, t) or (t < len(text) and match(g, t + 1))
        return t < len(text) and glob[g] in ("?", text[t]) and match(g + 1, t + 1)

    return match(0, 0)


@given(st.text("ab*?.+@\\^$(|", max_size=10), st.text("ab.+@\\^$(|", max_size=10))
def test_answers_like_a_slow_one(glob, text):
    assert hits(glob, text) == slow(glob, text)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_every_text_is_a_glob_or_refused_with_a_sentence(glob):
    try:
        hits(glob, "a@example.org")
    except ValueError as error:
        assert "is no pattern" in str(error)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*?[]\n")))
def test_a_text_without_special_characters_hits_itself(text):
    assert hits(text, text)
    assert not hits(text, text + "x")
    assert not hits(text, "x" + text)
