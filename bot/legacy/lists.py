"""The older system's lists: its bans and its registrations, read into ours.

A ban that cannot be taken over is left out and told with its line; a file that is damaged is
refused whole, for nobody knows what it has lost.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from gateway.rules.addresses import parse_address
from gateway.rules.bans import Kind, canonical, parse_time
from gateway.rules.networks import neighbourhood, plain_address
from gateway.store.registrations import Request

_PLACEHOLDER = "null@nope.no"  # stands where the older system knew a name and no applicant
_MOST_FAULTS = 10  # told of one file


class Damaged(Exception):
    """A file that is refused whole; `faults` has one sentence for each thing found."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = [*faults]


@dataclass
class OldBans:
    """One ban list: canonical values in their order, and what happened to the others."""

    values: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)  # a sentence each, with the line's number
    masked: int = 0  # networks that had host bits set, and so never banned anybody


def read_bans(kind: Kind, content: bytes) -> OldBans:
    """One entry a line, no comments. Raises Damaged when it is not text."""
    found: dict[str, None] = {}
    bans = OldBans()
    for number, line in enumerate(re.split(r"\r\n?|\n", _text(content)), 1):
        entry = line.strip()
        if not entry:
            continue
        try:
            value = canonical(kind, entry)
        except ValueError as error:
            bans.left_out.append(f"line {number}: {error}")
            continue
        if kind is Kind.IP and "/" in entry and value.partition("/")[0] != entry.partition("/")[0]:
            bans.masked += 1
        found[value] = None
    bans.values = [*found]
    return bans


@dataclass(frozen=True, slots=True)
class OldRegistration:
    """One request that the older system answered with a mail; `at` is aware UTC."""

    request: Request
    at: datetime


def read_registrations(content: bytes) -> tuple[list[OldRegistration], int]:
    """The registrations, and how many placeholders were left out. Raises Damaged."""
    try:
        rows = json.loads(_text(content))
    except (ValueError, RecursionError) as error:
        raise Damaged([f"it is no JSON ({error})"]) from None
    if not isinstance(rows, list):
        raise Damaged(["it is no list of registrations"])
    found: dict[tuple[str, str, datetime], OldRegistration] = {}
    faults, placeholders = [], 0
    for number, row in enumerate(rows, 1):
        try:
            old = _registration(row)
        except ValueError as error:
            faults.append(f"entry {number}: {error}")
            continue
        if old.request.email.lower() == _PLACEHOLDER:
            placeholders += 1
        else:
            found[old.request.name, old.request.email, old.at] = old
    if faults:
        more = len(faults) - _MOST_FAULTS
        rest = [f"and {more} more like these"] if more > 0 else []
        raise Damaged(faults[:_MOST_FAULTS] + rest)
    return [*found.values()], placeholders


def _registration(row: Any) -> OldRegistration:
    name, email = _field(row, "requested_name").lower(), _field(row, "email")
    at = parse_time(_field(row, "datetime")).astimezone(UTC)
    key = email.casefold()
    try:
        address = parse_address(email)
        email, key = address.text, address.key
    except ValueError:
        pass  # "a@x, b@y" was an address to the older system; what was sent is kept as it was
    ip, network = _field(row, "ip_address"), ""
    try:
        plain = plain_address(ip)
        ip, network = str(plain), str(neighbourhood(plain))
    except ValueError:
        pass  # "testclient", "unknown": it limits nobody
    return OldRegistration(Request(name, email, key, ip, network, "en"), at)


def _field(row: Any, name: str) -> str:
    value = row.get(name) if isinstance(row, dict) else None
    if not isinstance(value, str):
        raise ValueError(f"it has no text {name}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"its {name} is not UTF-8 text") from None
    return value.strip()


def _text(content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Damaged(["it is not UTF-8 text"]) from None
    if "\0" in text:
        raise Damaged(["it holds zero bytes, as a file does that was cut by a crash"])
    return text
