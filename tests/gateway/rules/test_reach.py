"""What a ban hits that few moderators mean to hit."""

from datetime import UTC, datetime
from ipaddress import ip_network

import pytest

from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind, parse_line
from gateway.rules.reach import PROVIDERS, is_exact, overlap, special, whole_domains

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("network", "found"),
    [
        ("127.0.0.1", ["127.0.0.0/8 (this machine)"]),
        ("10.1.2.0/24", ["10.0.0.0/8 (private)"]),
        ("172.0.0.0/8", ["172.16.0.0/12 (private)"]),
        ("100.64.1.1", ["100.64.0.0/10 (shared by a provider's customers)"]),
        ("fe80::1", ["fe80::/10 (link-local)"]),
        ("fd00::/8", ["fc00::/7 (private)"]),
        ("::1", ["::1/128 (this machine)"]),
        ("64:ff9b::1/128", ["64:ff9b::/96 (all of IPv4 behind a translator)"]),
        ("203.0.113.0/24", []),
        ("2001:db8::/32", []),
        ("8.8.8.8", []),
    ],
)
def test_special_ranges_are_known(network: str, found: list[str]) -> None:
    assert special(ip_network(network)) == found


def test_half_of_the_internet_holds_many_of_them() -> None:
    assert len(special(ip_network("0.0.0.0/1"))) > 3
    assert len(special(ip_network("::/1"))) > 1


def test_networks_of_two_versions_have_nothing_in_common() -> None:
    assert not overlap(ip_network("0.0.0.0/8"), ip_network("::/8"))


@pytest.mark.parametrize(
    ("kind", "value", "exact"),
    [
        (Kind.IP, "203.0.113.7", True),
        (Kind.IP, "203.0.113.0/24", False),
        (Kind.EMAIL, "ann@example.net", True),
        (Kind.EMAIL, "@example.net", False),
        (Kind.EMAIL, "a*@example.net", False),
        (Kind.NAME, "^ann$", False),
    ],
)
def test_only_a_single_address_is_exact(kind: Kind, value: str, exact: bool) -> None:
    assert is_exact(Ban(kind, value)) is exact


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("@gmail.com", ["gmail.com", "googlemail.com"]),
        ("*@gmail.com", ["gmail.com", "googlemail.com"]),
        ("*@g*.com", ["gmail.com", "googlemail.com", "gmx.com"]),
        ("@com", [each for each in PROVIDERS if each.endswith(".com")]),
        ("a*@gmail.com", []),
        ("zq7x@gmail.com", []),
        ("@spam.example", []),
    ],
)
def test_a_ban_on_everybody_at_a_provider_is_seen(line: str, found: list[str]) -> None:
    book = BanBook()
    ban = parse_line(Kind.EMAIL, line)
    assert ban is not None
    book.add(ban)
    hit = whole_domains(book, PROVIDERS, NOW)
    assert set(found) <= set(hit)
    assert bool(hit) == bool(found)
