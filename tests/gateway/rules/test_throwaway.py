"""Throw-away domains, also below a listed one, and nobody else's."""

import pytest
from disposable_email_domains import blocklist
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.throwaway import throwaway_domain

LISTED = sorted(blocklist)


@given(st.sampled_from(LISTED), st.sampled_from(["", "mail.", "a.b."]))
def test_a_listed_domain_is_found_with_what_lies_below(domain: str, below: str) -> None:
    assert throwaway_domain(below + domain) is not None
    assert throwaway_domain((below + domain).upper()) is not None


@pytest.mark.parametrize(
    ("domain", "listed"),
    [
        ("yopmail.com", "yopmail.com"),
        ("mail.yopmail.com", "yopmail.com"),
        ("xyopmail.com", None),
        ("yopmail.com.evil.example", None),
        ("gmail.com", None),
        ("example.org", None),
        ("com", None),
        ("", None),
    ],
)
def test_a_domain_that_only_looks_alike_is_not(domain: str, listed: str | None) -> None:
    assert throwaway_domain(domain) == listed


def test_a_domain_typed_in_its_own_letters_is_compared_in_ascii() -> None:
    assert throwaway_domain(parse_address("ann@yahóo.com").domain) == "xn--yaho-sqa.com"
