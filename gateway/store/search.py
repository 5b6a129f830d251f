"""The search for registrations: by what a moderator has in his hand, newest first."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from ipaddress import ip_network
from itertools import islice, takewhile
from socket import AF_INET, AF_INET6, inet_pton
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Text, and_, literal_column, or_, select

from gateway.rules.addresses import parse_address
from gateway.rules.networks import IPNetwork, canonical_network, neighbourhood
from gateway.store.registrations import Registration, Status, read
from gateway.store.schema import registrations

_AT_ONCE = 500  # rows fetched by their numbers
_NUMBERS = re.compile(r"[0-9a-fA-F:./]+")  # what a network is written with


@dataclass(frozen=True, slots=True)
class Wanted:
    """What registrations must have to be found: all of it.

    `address` is compared as its provider delivers, its `pseudonyms` find what was forgotten of it;
    `domain` takes its subdomains along; `text` may stand anywhere in name, account, address or IP.
    `since` belongs to the span, `until` does not.
    """

    text: str = ""
    address: str | None = None
    pseudonyms: Sequence[str] = ()
    network: IPNetwork | None = None
    domain: str | None = None
    statuses: Sequence[Status] = ()
    since: datetime | None = None
    until: datetime | None = None


def understood(text: str) -> Wanted:
    """What is meant by a word: a network, an address, an `@domain`, or any text."""
    text = text.strip()
    if _NUMBERS.fullmatch(text) and (":" in text or text.count(".") == 3):
        try:
            return Wanted(network=read_network(text))
        except ValueError:
            return Wanted(text)
    if text.startswith("@") and len(text) > 1:
        return Wanted(domain=read_domain(text))
    try:
        return Wanted(address=parse_address(text).key)
    except ValueError:
        return Wanted(text)


def read_network(text: str) -> IPNetwork:
    """A network, or a single address as one. Raises ValueError with one sentence."""
    return ip_network(canonical_network(text))


def read_domain(text: str) -> str:
    """A domain as it stands in the addresses, with or without its `@`. Raises ValueError."""
    domain = text.strip().removeprefix("@").strip(".")
    try:
        return parse_address(f"a@{domain}").domain
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no domain: write example.org or @example.org") from None


def both(one: Wanted, other: Wanted) -> Wanted:
    """What `one` wants, and where it wants nothing, what `other` does."""
    mine = {name: value for name in Wanted.__slots__ if (value := getattr(one, name))}
    return replace(other, **mine)


def find(connection: Connection, wanted: Wanted, most: int) -> list[Registration]:
    """The newest registrations that have what is wanted."""
    query = _newest(select(registrations), wanted)
    if wanted.network is None:
        return [read(row) for row in connection.execute(query.limit(most)).mappings()]
    # Its index finds more than the network: which of these are within is seen from little.
    r, is_within = registrations.c, _member(wanted.network)
    places = connection.execution_options(yield_per=2000).execute(
        _newest(select(r.id, r.ip, r.network), wanted)
    )
    # Of an address that is kept no more, the network's first one stands for it.
    within = (row.id for row in places if is_within(row.ip or row.network.partition("/")[0]))
    numbers = [*islice(within, most)]
    places.close()
    found: list[Registration] = []
    for start in range(0, len(numbers), _AT_ONCE):
        part = select(registrations).where(r.id.in_(numbers[start : start + _AT_ONCE]))
        by_number = {row["id"]: row for row in connection.execute(part).mappings()}
        found += [read(by_number[each]) for each in numbers[start : start + _AT_ONCE]]
    return found


def _newest(query: Select[Any], wanted: Wanted) -> Select[Any]:
    r = registrations.c
    return query.where(*_conditions(wanted)).order_by(r.created_at.desc(), r.id.desc())


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    r = registrations.c
    found: list[ColumnElement[bool]] = []
    if wanted.text:
        fields = (r.name, r.account, r.email, r.email_key, r.ip, r.network)
        found.append(or_(*(each.contains(wanted.text, autoescape=True) for each in fields)))
    if wanted.address:
        found.append(r.email_key.in_((wanted.address, *wanted.pseudonyms)))
    if wanted.network is not None:
        found.append(_near(wanted.network))
    if wanted.domain:
        endings = (f"@{wanted.domain}", f".{wanted.domain}")
        found.append(or_(*(r.email.endswith(each, autoescape=True) for each in endings)))
    if wanted.statuses:
        # One is found by its index in order; of several the newest are nearer by time, which the
        # plus says: it keeps SQLite from sorting half the table.
        one = len(wanted.statuses) == 1
        column = r.status if one else literal_column("+registrations.status", Text)
        found.append(column.in_(wanted.statuses))
    if wanted.since is not None:
        found.append(r.created_at >= wanted.since)
    if wanted.until is not None:
        found.append(r.created_at < wanted.until)
    return found


def _near(network: IPNetwork) -> ColumnElement[bool]:
    """What an index finds of a network: how all its neighbourhoods begin."""
    column = registrations.c.network
    if network.prefixlen >= (24 if network.version == 4 else 64):
        return column == str(neighbourhood(network.network_address))
    beginning = _octets(network) if network.version == 4 else _groups(network)
    if not beginning:
        return column.contains("." if network.version == 4 else ":")
    return and_(column >= beginning, column < beginning[:-1] + chr(ord(beginning[-1]) + 1))


def _octets(network: IPNetwork) -> str:
    octets = str(network.network_address).split(".")[: network.prefixlen // 8]
    return "".join(f"{octet}." for octet in octets)


def _groups(network: IPNetwork) -> str:
    """Up to the first group of zeros, which is left out in some addresses and not in others."""
    groups = network.network_address.exploded.split(":")[: network.prefixlen // 16]
    kept = takewhile(lambda group: group != "0000", groups)
    return "".join(f"{int(group, 16):x}:" for group in kept)


def _member(network: IPNetwork) -> Callable[[str], bool]:
    """Whether an address lies within: asked a million times in a second."""
    family = AF_INET if network.version == 4 else AF_INET6
    shift = network.max_prefixlen - network.prefixlen
    bits = int(network.network_address) >> shift

    def is_within(ip: str) -> bool:
        try:
            return int.from_bytes(inet_pton(family, ip), "big") >> shift == bits
        except OSError:
            return False  # of the other family

    return is_within
