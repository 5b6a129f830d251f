"""Screening: all that speaks against a request, each reason once, with words for moderators."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind
from gateway.rules.limits import Crowd, Limit, Scope
from gateway.rules.networks import plain_address
from gateway.rules.opening import Opening
from gateway.rules.screening import FIELDS, Application, Code, Refusal, banned, crowded, screen

NOW = datetime(2026, 5, 1, tzinfo=UTC)
IP = plain_address("203.0.113.7")
OPEN = Opening(True)


@pytest.fixture
def book():
    book = BanBook()
    for kind, value in (
        (Kind.IP, "203.0.113.0/24"),
        (Kind.EMAIL, "@spam.example"),
        (Kind.NAME, "admin"),
    ):
        book.add(Ban(kind, value))
    return book


def screened(book, name="ada", email="ada@example.org", ip="198.51.100.7", opening=OPEN):
    application = Application(name, email, plain_address(ip))
    return screen(application, server_name="example.org", book=book, opening=opening, now=NOW)


def codes(refusals):
    return [refusal.code for refusal in refusals]


def test_nothing_speaks_against_an_ordinary_request(book):
    found = screened(book, " Ada ", "Ada@Example.org")
    assert found.refusals == ()
    assert found.name == "ada"
    assert found.address is not None
    assert found.address.key == "ada@example.org"


def test_all_that_speaks_against_a_request_is_told_at_once(book):
    opening = Opening(False, NOW + timedelta(minutes=30))
    found = screened(book, "the-admin", "x@mail.spam.example", "203.0.113.7", opening)
    assert found.refusals == (
        Refusal(Code.CLOSED, "before a rotation", "", timedelta(minutes=30)),
        Refusal(Code.NETWORK_BANNED, "203.0.113.0/24"),
        Refusal(Code.EMAIL_BANNED, "@spam.example"),
        Refusal(Code.NAME_BANNED, "admin"),
    )


def test_malformed_fields_are_told_with_a_hint_and_the_rest_is_screened_all_the_same(book):
    found = screened(book, "a b", "nobody", "203.0.113.7")
    assert codes(found.refusals) == [
        Code.NAME_MALFORMED,
        Code.EMAIL_MALFORMED,
        Code.NETWORK_BANNED,
    ]
    assert [refusal.field for refusal in found.refusals] == ["requested_username", "email", None]
    assert all(refusal.hint for refusal in found.refusals[:2])
    assert found.name is None
    assert found.address is None


def test_a_pause_is_told_in_the_moderators_words(book):
    paused = screened(book, opening=Opening(False, None, "Back on Monday"))
    assert paused.refusals == (Refusal(Code.CLOSED, "Back on Monday"),)


def test_the_applicant_gets_no_hint_of_a_ban(book):
    found = screened(book, "admin", "x@spam.example", "203.0.113.7")
    assert len(found.refusals) == 3
    assert all(not refusal.hint for refusal in found.refusals)


def test_an_ipv4_address_in_ipv6_clothes_is_the_ipv4_address(book):
    assert codes(screened(book, ip="::ffff:203.0.113.7").refusals) == [Code.NETWORK_BANNED]


def test_a_ban_that_is_over_refuses_nobody():
    book = BanBook()
    book.add(Ban(Kind.NAME, "ada", until=NOW))
    assert screened(book).refusals == ()


def test_many_hits_are_told_in_short():
    book = BanBook()
    for length in range(20, 32):
        book.add(Ban(Kind.IP, f"198.51.100.0/{length}"))
    [refusal] = banned(book, plain_address("198.51.100.0"), None, None, NOW)
    assert refusal.detail.count(", ") == 4


def test_limits_that_are_used_up_refuse_until_there_is_room():
    hourly, soon = Limit(3, timedelta(hours=1)), NOW + timedelta(minutes=7)
    crowds = [
        Crowd(Scope.EMAIL, "from ann@x.org", hourly, soon),
        Crowd(Scope.DOMAIN, "with addresses of x.org", hourly, soon),
        Crowd(Scope.IPV6_48, "from 2001:db8::/48", hourly, soon),
        Crowd(Scope.ALL, "in all", hourly, soon),
    ]
    found = crowded(crowds, NOW)
    # Nobody is told of others who asked with the same address.
    assert codes(found) == [
        Code.TOO_MANY_FROM_DOMAIN,
        Code.TOO_MANY_FROM_NETWORK,
        Code.TOO_MANY_IN_ALL,
    ]
    assert {each.retry_after for each in found} == {timedelta(minutes=7)}
    assert found[1].detail == "3 from 2001:db8::/48, the limit is 3 per 1h"


def test_every_field_of_a_refusal_is_a_field_of_the_form():
    assert set(FIELDS.values()) == {"requested_username", "email"}


@given(st.text(max_size=300), st.text(max_size=300), st.ip_addresses())
def test_no_request_breaks_the_screening(name, email, ip):
    book = BanBook()
    book.add(Ban(Kind.EMAIL, "*spam*"))
    book.add(Ban(Kind.NAME, "spam"))
    found = screened(book, name, email, str(ip))
    assert (found.name is None) == (Code.NAME_MALFORMED in codes(found.refusals))
    assert (found.address is None) == (Code.EMAIL_MALFORMED in codes(found.refusals))


def test_a_ban_for_review_refuses_nobody_and_asks_for_a_look(book):
    book.add(Ban(Kind.NAME, "^ad", review=True))
    book.add(Ban(Kind.EMAIL, "@look.example", review=True))
    found = screened(book, "ada", "ada@look.example")
    assert found.refusals == ()
    assert found.met == ((Kind.EMAIL, "@look.example"), (Kind.NAME, "^ad"))
    found = screened(book, "admin", "ada@look.example")
    assert codes(found.refusals) == [Code.NAME_BANNED]
    assert found.refusals[0].detail == "admin"
