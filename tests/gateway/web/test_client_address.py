"""Whose request it is, however the header was forged."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.web.client_address import client_address

OURS = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
ADDRESSES = st.ip_addresses()
STRANGERS = ADDRESSES.filter(
    lambda address: (
        not any(address in network for network in OURS)
        and not (isinstance(address, IPv6Address) and address.ipv4_mapped)
    )
)
PROXIES = st.ip_addresses(network="10.0.0.0/8") | st.ip_addresses(network="fd00::/8")


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("192.0.2.9", [], "192.0.2.9"),
        ("192.0.2.9", ["203.0.113.5"], "192.0.2.9"),
        ("10.0.0.1", [], "10.0.0.1"),
        ("10.0.0.1", [""], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1, 203.0.113.5"], "203.0.113.5"),
        ("10.0.0.1", ["198.51.100.1", "203.0.113.5, 10.0.0.2"], "203.0.113.5"),
        ("10.0.0.1", ["203.0.113.5, 10.0.0.2", "10.0.0.3"], "203.0.113.5"),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["203.0.113.5, nonsense, 10.0.0.2"], "10.0.0.2"),
        ("10.0.0.1", ["203.0.113.5, nonsense"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5, "], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5:5678"], "203.0.113.5"),
        ("10.0.0.1", ["[2001:db8::1]:80"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
        ("10.0.0.1", ["2001:db8::1"], "2001:db8::1"),
        ("10.0.0.1", ["203.0.113.5:http"], "10.0.0.1"),
        ("10.0.0.1", ["203.0.113.5:"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::1"], "10.0.0.1"),
        ("10.0.0.1", ["[2001:db8::1]x"], "10.0.0.1"),
        ("10.0.0.1", ["::ffff:203.0.113.5"], "203.0.113.5"),
        ("::ffff:10.0.0.1", ["203.0.113.5"], "203.0.113.5"),
        ("::ffff:192.0.2.9", [], "192.0.2.9"),
        ("fe80::1%eth0", [], "fe80::1"),
        ("fd00::1%2", ["fe80::2%eth0"], "fe80::2"),
    ],
)
def test_the_rightmost_hop_that_is_not_ours(peer: str, forwarded: list[str], client: str) -> None:
    assert client_address(peer, forwarded, OURS) == ip_address(client)


def test_without_trusted_proxies_the_header_says_nothing() -> None:
    assert client_address("127.0.0.1", ["203.0.113.5"], ()) == ip_address("127.0.0.1")


def test_a_peer_that_is_no_address_is_an_error() -> None:
    with pytest.raises(ValueError):
        client_address("/run/porter.sock", [], OURS)


@given(STRANGERS, st.lists(st.text(max_size=40), max_size=5))
def test_a_stranger_is_himself_whatever_he_claims(peer: object, forwarded: list[str]) -> None:
    assert client_address(str(peer), forwarded, OURS) == peer


@given(
    PROXIES, STRANGERS, st.lists(PROXIES, max_size=6), st.lists(st.text(max_size=40), max_size=4)
)
def test_what_stands_left_of_the_client_is_never_believed(
    peer: object, client: object, chain: list[object], forged: list[str]
) -> None:
    honest = ", ".join(str(hop) for hop in (client, *chain))
    assert client_address(str(peer), [*forged, honest], OURS) == client


@given(PROXIES, st.lists(st.text(max_size=60), max_size=4))
def test_rubbish_never_raises(peer: object, forwarded: list[str]) -> None:
    assert client_address(str(peer), forwarded, OURS) is not None


def test_a_very_long_list_ends() -> None:
    hops = ", ".join(["203.0.113.5", *["10.0.0.1"] * 1000])
    assert client_address("10.0.0.1", [hops], OURS) == ip_address("10.0.0.1")
