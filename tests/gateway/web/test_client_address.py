"""Whose request it is, however the header was forged."""

from ipaddress import IPv6Address, ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rules.networks import IPAddress
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


def forwarded(*lines: str, peer: str = "10.0.0.1") -> str:
    return str(client_address(peer, lines, OURS, "forwarded"))


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["for=203.0.113.7"], "203.0.113.7"),
        (["For=203.0.113.7;proto=https;by=10.0.0.1"], "203.0.113.7"),
        (['for="203.0.113.7:4711"'], "203.0.113.7"),
        (['for="[2001:db8::1]"'], "2001:db8::1"),
        (['proto=https;for="[2001:db8::1]:4711";host="a;b, c"'], "2001:db8::1"),
        (['for="[::ffff:203.0.113.7]"'], "203.0.113.7"),
        (['for="[fe80::1%25eth0]"'], "fe80::1"),
        (["for=192.0.2.1, for=203.0.113.7, for=10.0.0.2"], "203.0.113.7"),
        (["for=192.0.2.1", "for=203.0.113.7", "for=10.0.0.2"], "203.0.113.7"),
        # Whoever says that he does not know, or will not tell, is as far as we see.
        (["for=203.0.113.7, for=unknown"], "10.0.0.1"),
        (["for=203.0.113.7, for=_hidden, for=10.0.0.2"], "10.0.0.2"),
        (["for=203.0.113.7, proto=https"], "10.0.0.1"),
        (["for=203.0.113.7, for=2001:db8::1"], "10.0.0.1"),  # it belongs into quotes and brackets
        (['for="203.0.113.7:99999"'], "10.0.0.1"),
        ([""], "10.0.0.1"),
        ([], "10.0.0.1"),
        (["for=203.0.113.7, "], "10.0.0.1"),
    ],
)
def test_the_hops_of_forwarded(lines: list[str], wanted: str) -> None:
    assert forwarded(*lines) == wanted


@pytest.mark.parametrize(
    "evil",
    [
        'for="',
        'for="x',
        'x="\\',
        'for=192.0.2.1;x="',
        '"',
        "for=;;;",
        "a" * 9000,
        "," * 9000,
        "\x00",
    ],
)
def test_what_a_stranger_wrote_swallows_nothing_of_our_proxys(evil: str) -> None:
    assert forwarded(f"{evil}, for=203.0.113.7") == "203.0.113.7"
    assert forwarded(evil, 'for="[2001:db8::1]:80";by="x"') == "2001:db8::1"


def test_only_the_header_that_our_proxies_set_is_believed() -> None:
    assert str(client_address("10.0.0.1", ["for=203.0.113.7"], OURS)) == "10.0.0.1"
    assert forwarded("203.0.113.7") == "10.0.0.1"


@given(st.lists(ADDRESSES, max_size=30), STRANGERS)
def test_a_list_of_hops_is_read_back(before: list[IPAddress], client: IPAddress) -> None:
    hops = [*before, client, ip_address("10.0.0.2")]
    quoted = [f'"[{hop}]"' if hop.version == 6 else str(hop) for hop in hops]
    assert forwarded(", ".join(f"for={hop}" for hop in quoted)) == str(client)
    plain = ", ".join(map(str, hops))
    assert str(client_address("10.0.0.1", [plain], OURS)) == str(client)


@given(st.text(max_size=80))
def test_rubbish_in_forwarded_never_raises(text: str) -> None:
    assert forwarded(text)
