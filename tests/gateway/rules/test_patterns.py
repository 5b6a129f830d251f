"""Patterns: every one is asked, also when there are too many, or too big, or half of them new."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules import patterns
from gateway.rules.patterns import LONGEST, PatternSet, compiled


def made_of(expressions):
    made = PatternSet()
    for expression in expressions:
        made.add(expression, expression)
    return made


@pytest.mark.parametrize("is_compact", [False, True])
def test_finds_every_pattern_whatever_the_case(is_compact):
    made = made_of(["adm[i1]n", "^root$", "ADA", "x{3}"])
    if is_compact:
        made.compact()
    assert made.matching("the-Admin") == ["adm[i1]n"]
    assert sorted(made.matching("ADAdm1nxxx")) == ["ADA", "adm[i1]n", "x{3}"]
    assert made.matching("roots") == []
    assert made.matching("") == []


@pytest.mark.parametrize("expression", ["(", "a{1001}", "(?=a)", r"(a)\1", "[z-a]", "*", "\ud800"])
def test_what_cannot_be_read_is_refused_with_a_sentence(expression):
    with pytest.raises(ValueError, match=r"is no pattern \(|surrogates not allowed"):
        compiled(expression)


def test_an_endless_pattern_is_refused():
    with pytest.raises(ValueError, match=f"at most {LONGEST} characters"):
        compiled("a" * (LONGEST + 1))


def test_a_pattern_that_would_fill_the_memory_is_refused():
    with pytest.raises(ValueError, match="too large"):
        compiled(r"(\pL{30}){30}")


@pytest.mark.parametrize(
    "evil", ["(a+)+$", "(a|a)*$", "(.*a){20}$", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a|b)*a(a|b){40}c"]
)
def test_an_evil_pattern_takes_no_time(evil):
    made = made_of([evil])
    began = time.perf_counter()
    for _ in range(2):
        made.matching("ab" * 120 + "!")
        made.compact()
    # A backtracking engine would need years: nobody is told a tale by a slow machine.
    assert time.perf_counter() - began < 5


@pytest.mark.parametrize("memory", [1 << 10, 1 << 13, 1 << 15, 1 << 18])
def test_a_set_without_memory_finds_what_a_large_one_finds(monkeypatch, memory):
    expressions = [rf"w{number}\w{{0,30}}[0-9]+x?" for number in range(200)] + ["(a|b)*c"]
    roomy = made_of(expressions)
    roomy.compact()
    monkeypatch.setattr(patterns, "_MEMORY", memory)
    tight = made_of(expressions)
    tight.compact()
    for name in ("w7hello1", "w12w34abc9", "ababababc", "nobody", "w1w2w3w4w5w6w7w8w9" * 5, ""):
        assert set(tight.matching(name)) == set(roomy.matching(name))
        assert set(tight.matching(name)) == {e for e in expressions if compiled(e).search(name)}


def test_a_set_that_gives_up_on_a_name_is_not_believed(monkeypatch):
    """RE2 answers None both for "nothing" and for "out of memory"."""

    class GivesUp:
        def Match(self, text):
            return None

    made = made_of(["ada", "bob"])
    made.compact()
    made._sets = [(GivesUp(), labels) for _, labels in made._sets]
    assert made.matching("bobby") == ["bob"]
    assert made.matching("carol") == []


def test_new_patterns_are_in_force_before_and_after_the_set_is_made_anew():
    made = PatternSet()
    for number in range(500):
        made.add(str(number), f"^name{number}$")
        assert made.matching(f"Name{number}") == [str(number)]
        if made.is_crowded:
            made.compact()
            assert not made.is_crowded
    assert len(made) == 500
    assert all(made.matching(f"name{number}") == [str(number)] for number in range(500))


def test_a_label_counts_once():
    made = made_of(["ada", "ada"])
    made.compact()
    made.add("ada", "ada")
    assert len(made) == 1
    assert made.matching("ada") == ["ada"]


def test_making_the_set_anew_beside_matching_never_loses_a_pattern():
    made = made_of([f"first{number}" for number in range(300)])
    done, wrong = threading.Event(), []

    def ask():
        while not done.is_set():
            if made.matching("first7 ") != ["first7"]:
                wrong.append("first7")

    asking = [threading.Thread(target=ask) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        for number in range(60):
            made.add(f"later{number}", f"^later{number}$")
            if made.matching(f"later{number}") != [f"later{number}"]:
                wrong.append(f"later{number}")
            made.compact()
    finally:
        done.set()
        for thread in asking:
            thread.join()
    assert wrong == []


_WORDS = st.text("abc.*?[]{}()|^$+\\", max_size=8)


@given(st.lists(_WORDS, max_size=8, unique=True), st.lists(st.text("abc", max_size=6), max_size=4))
def test_one_set_answers_as_each_alone(expressions, names):
    made = PatternSet()
    for expression in expressions:
        try:
            made.add(expression, expression)
        except ValueError:
            assert expression not in made
    before = [sorted(made.matching(name)) for name in names]
    made.compact()
    assert [sorted(made.matching(name)) for name in names] == before
