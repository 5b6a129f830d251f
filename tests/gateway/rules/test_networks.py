"""Networks: IPv4 and IPv6 in every spelling, and a large set that answers as a slow one would."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rules.networks import (
    NetworkSet,
    canonical_network,
    neighbourhood,
    plain_address,
)


def _network(text):
    """What a slow way, with objects of the standard library, makes of it."""
    return ip_network(canonical_network(text))


@pytest.mark.parametrize(
    ("typed", "network"),
    [
        ("203.0.113.7", "203.0.113.7"),
        (" 203.0.113.7/32 ", "203.0.113.7"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("203.0.113.7/255.255.255.0", "203.0.113.0/24"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("2001:db8:dead:beef::/32", "2001:db8::/32"),
        ("2001:db8::/032", "2001:db8::/32"),
        ("203.0.113.7/00024", "203.0.113.0/24"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.0/120", "203.0.113.0/24"),
        ("::ffff:cb00:7107", "203.0.113.7"),
    ],
)
def test_reads_both_families_and_masks_host_bits(typed, network):
    assert canonical_network(typed) == network


@pytest.mark.parametrize(
    "typed",
    [
        *("", "example.org", "203.0.113", "203.0.113.256", "010.0.0.1", "1.2.3.4.5", "3405803783"),
        *("203.0.113.0/33", "203.0.113.0/", "203.0.113.0/-1", "203.0.113.0/24/24", "10.0.0.0/ 8"),
        *("203.0.113.0/٢٤", "203.0.113.7\x00", "\ud800", "fe80::1%eth0"),
        *("2001:db8::/129", "2001:db8::/ffff::", "2001::db8::1", "[2001:db8::1]"),
    ],
)
def test_refuses_what_is_no_network(typed):
    with pytest.raises(ValueError, match="no address or network"):
        canonical_network(typed)


@pytest.mark.parametrize("typed", ["0.0.0.0/0", "::/0", "1.2.3.4/0.0.0.0", "::ffff:0:0/96"])
def test_refuses_to_lock_everybody_out(typed):
    with pytest.raises(ValueError, match="pause the desk"):
        canonical_network(typed)


@pytest.mark.parametrize(
    ("typed", "address"),
    [
        ("203.0.113.7", IPv4Address("203.0.113.7")),
        ("::ffff:203.0.113.7", IPv4Address("203.0.113.7")),
        ("2001:db8::1", IPv6Address("2001:db8::1")),
        ("fe80::1%eth0", IPv6Address("fe80::1")),
    ],
)
def test_an_address_comes_out_of_its_wrapping(typed, address):
    assert plain_address(typed) == address
    assert str(plain_address(typed)) == str(address)


def test_a_neighbourhood_is_a_street_or_a_customer():
    assert neighbourhood(ip_address("203.0.113.7")) == ip_network("203.0.113.0/24")
    assert neighbourhood(ip_address("2001:db8::1:2:3")) == ip_network("2001:db8::/64")


_NUMBERS = st.integers(0, 300).map(str) | st.text(max_size=4)
_TEXTS = st.one_of(
    st.text(max_size=50),
    st.ip_addresses().map(str),
    st.tuples(st.ip_addresses().map(str), _NUMBERS).map("/".join),
    st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS).map(".".join),
)


@given(_TEXTS)
@example("1.2.3.4/" + "9" * 5000)
@example("::/" + "0" * 5000)
def test_nothing_but_a_sentence_comes_of_nonsense(text):
    try:
        network = _network(text)
    except ValueError:
        return
    written = canonical_network(text)
    assert canonical_network(written) == written
    assert _network(written) == network


# Few bits, so that networks and addresses meet.
_CLOSE_4 = st.integers(0, 255).map(lambda n: IPv4Address("203.0.113.0") + n)
_CLOSE_6 = st.integers(0, 255).map(lambda n: IPv6Address(n << 58))
_EVERYBODY = ip_network("::ffff:0:0/96")
_NETWORKS = (
    st.one_of(
        st.tuples(_CLOSE_4, st.integers(20, 32)),
        st.tuples(_CLOSE_6, st.integers(60, 128)),
        st.tuples(st.ip_addresses(v=4), st.integers(1, 32)),
        st.tuples(st.ip_addresses(v=6), st.integers(1, 128)),
    )
    .map(lambda pair: f"{pair[0]}/{pair[1]}")
    .filter(lambda text: ip_network(text, strict=False) != _EVERYBODY)
)


@given(st.lists(_NETWORKS, max_size=30), st.lists(_CLOSE_4 | _CLOSE_6 | st.ip_addresses()))
def test_the_set_answers_like_a_slow_one(texts, addresses):
    networks = {_network(text) for text in texts}
    members = NetworkSet()
    for network in networks:
        members.add(str(network))
    assert len(members) == len(networks)
    for text in texts:
        assert canonical_network(text) in members
    for address in map(plain_address, map(str, addresses)):
        held = {_network(text) for text in members.holding(address)}
        assert held == {network for network in networks if address in network}
    assert [each for each in map(str, addresses) if each in members] == [
        each for each in map(str, addresses) if _network(each) in networks
    ]
