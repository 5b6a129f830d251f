"""Whose addresses are taken: listed domains with those below them, and none that look alike."""

import pytest

from gateway.rules.domains import EVERYBODY, Domains

SCHOOL = Domains(only=frozenset({"school.example", "xn--bcher-kva.example"}))
STRICT = Domains(
    throwaway="refuse", more=frozenset({"brief.example"}), good=frozenset({"good.yopmail.com"})
)


@pytest.mark.parametrize(
    ("domain", "is_open"),
    [
        ("school.example", True),
        ("pupils.school.example", True),
        ("xn--bcher-kva.example", True),
        ("myschool.example", False),
        ("school.example.evil.example", False),
        ("example", False),
        ("gmail.com", False),
    ],
)
def test_only_listed_domains_and_those_below_may_ask(domain, is_open):
    assert SCHOOL.are_open_to(domain) is is_open
    assert EVERYBODY.are_open_to(domain)


@pytest.mark.parametrize(
    ("domain", "listed"),
    [
        ("yopmail.com", "yopmail.com"),
        ("mail.yopmail.com", "yopmail.com"),
        ("brief.example", "brief.example"),
        ("very.brief.example", "brief.example"),
        ("good.yopmail.com", None),
        ("my.good.yopmail.com", None),
        ("example.org", None),
    ],
)
def test_throw_away_domains_are_the_packages_and_the_operators_without_good_ones(domain, listed):
    assert STRICT.thrown_away(domain, "refuse") == listed
    assert STRICT.thrown_away(domain, "review") is None
    assert EVERYBODY.thrown_away(domain, "refuse") is None


def test_a_domain_that_may_ask_by_name_is_never_thrown_away():
    both = Domains(only=frozenset({"yopmail.com"}), throwaway="refuse")
    assert both.thrown_away("yopmail.com", "refuse") is None
