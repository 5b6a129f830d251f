"""Whose request it is: the address of the client behind the reverse proxies that we trust.

Every hop of X-Forwarded-For that lies left of the first stranger can be forged by that stranger,
so the list is read from the right, and only as far as each hop is a proxy of ours.
"""

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network

from gateway.rules.networks import IPAddress, plain_address

_MOST_HOPS = 32  # nobody has more proxies of his own; the header comes from outside


def client_address(
    peer: str,
    forwarded: Iterable[str],
    trusted_proxies: Iterable[IPv4Network | IPv6Network],
) -> IPAddress:
    """The address of the client of one request.

    `peer` is the other end of the connection, `forwarded` the lines of X-Forwarded-For in their
    order. A hop that cannot be read ends the walk at the proxy that reported it. Raises
    ValueError when `peer` is no address.
    """
    networks = tuple(trusted_proxies)
    address = _parse(peer)
    if not _is_within(address, networks):
        return address
    hops = ",".join(forwarded).split(",")
    for hop in reversed(hops[-_MOST_HOPS:]):
        try:
            address = _parse(hop)
        except ValueError:
            break
        if not _is_within(address, networks):
            break
    return address


def _parse(text: str) -> IPAddress:
    """One address, with or without a port and a zone; a v4 address in v6 clothes is a v4 one."""
    text = text.strip()
    if text.startswith("["):
        text, bracket, port = text[1:].partition("]")
        if not bracket or (port and not _is_port(port)):
            raise ValueError("An address in brackets ends with a bracket and perhaps a port")
    elif text.count(":") == 1:
        text, colon, port = text.partition(":")
        if not _is_port(colon + port):
            raise ValueError("A port is a number")
    # The zone names a network card of the machine that saw the address, and means nothing here.
    return plain_address(text.partition("%")[0])


def _is_port(text: str) -> bool:
    digits = text.removeprefix(":")
    return text != digits and digits.isascii() and digits.isdigit() and len(digits) <= 5


def _is_within(address: IPAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
