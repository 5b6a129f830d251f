"""Whose request it is: the address of the client behind the reverse proxies that we trust.

Every hop that lies left of the first stranger can be forged by that stranger, so the list is read
from the right, and only as far as each hop is a proxy of ours.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from itertools import islice

from gateway.rules.networks import IPAddress, plain_address

_MOST_HOPS = 32  # nobody has more proxies of his own; the header comes from outside
_LAST_PORT = 65535
_LONGEST = 500  # characters of one element of Forwarded

# RFC 7239 4, with the token and the quoted string of RFC 9110 5.6.
_WORD = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[\t !#-\[\]-~]|\\[\t -~])*"'
_PAIR = rf"(?:{_WORD}=(?:{_WORD}|{_QUOTED}))?"
_ELEMENT = re.compile(rf"{_PAIR}(?:;{_PAIR})*")
_FOR = re.compile(rf"(?:^|;)for=({_WORD}|{_QUOTED})", re.IGNORECASE)


def client_address(
    peer: str,
    lines: Iterable[str],
    trusted_proxies: Iterable[IPv4Network | IPv6Network],
    header: str = "x_forwarded_for",
) -> IPAddress:
    """The address of the client of one request.

    `peer` is the other end of the connection, `lines` are those of the header that our proxies
    set, in their order. A hop that cannot be read ends the walk at the proxy that reported it.
    Raises ValueError when `peer` is no address.
    """
    networks = tuple(trusted_proxies)
    address = _parse(peer)
    if not _is_within(address, networks):
        return address
    _, hops = HEADERS[header]
    for hop in islice(hops(",".join(lines)), _MOST_HOPS):
        try:
            address = _parse(hop)
        except ValueError:
            break
        if not _is_within(address, networks):
            break
    return address


def _of_x_forwarded_for(text: str) -> Iterator[str]:
    """The hops, the last first."""
    return reversed(text.split(","))


def _of_forwarded(text: str) -> Iterator[str]:
    """The hops of Forwarded (RFC 7239), the last first.

    Taken apart from the right: a quote that a stranger opened and never closed must not swallow
    what our proxy wrote behind it.
    """
    while text.strip():
        text, comma, element = text.rpartition(",")
        while not (whole := _ELEMENT.fullmatch(element.strip())) and comma:
            if len(element) > _LONGEST:
                break
            text, comma, more = text.rpartition(",")
            element = f"{more},{element}"
        found = _FOR.search(element.strip()) if whole else None
        # Without an address it is a hop all the same, and ends the walk.
        yield "" if found is None else re.sub(r"\\(.)", r"\1", found[1].strip('"'))


HEADERS: Mapping[str, tuple[str, Callable[[str], Iterator[str]]]] = {
    "x_forwarded_for": ("X-Forwarded-For", _of_x_forwarded_for),
    "forwarded": ("Forwarded", _of_forwarded),
}


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
    is_number = text != digits and digits.isascii() and digits.isdigit() and len(digits) <= 5
    return is_number and int(digits) <= _LAST_PORT


def _is_within(address: IPAddress, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks)
