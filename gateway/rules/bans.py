"""Bans: one line of a text file each, and a book that answers which of a million holds.

A line is the value, then after ` # ` what is known of it, parts divided by ` | `:
`203.0.113.0/24  # until 2026-12-01T00:00Z | by @mod:example.org | 2026-11-23T10:04Z | open proxy`
All of the remark may be missing, its parts may stand in any order, and whatever else stands there
is the reason. A reason that could be taken for another part is written in quotation marks.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway.rules.addresses import EmailAddress, address_key, folded, parse_address
from gateway.rules.globs import expression, is_glob
from gateway.rules.networks import IPAddress, NetworkSet, canonical_network
from gateway.rules.patterns import PatternSet, compiled


class Kind(StrEnum):
    """What a ban is about."""

    IP = "ip"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban. `value` is canonical; times are aware UTC; no `until` lasts for good.

    `by` is a Matrix id, or `terminal:` and a name.
    """

    kind: Kind
    value: str
    until: datetime | None = None
    by: str | None = None
    at: datetime | None = None
    reason: str = ""

    def in_force(self, now: datetime) -> bool:
        return self.until is None or self.until > now


_REMARK = re.compile(r"\s+#")
_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*")
_NOT_IN_LOCAL = re.compile(r'[()<>\[\]:;@\\,"]')
_LONGEST_REASON = 300
# What hits all of these hits everybody: they have nothing in common but what all have.
_NAMES = [letter * times for letter in "abcdefghijklmnopqrstuvwxyz" for times in (1, 30)]
_ADDRESSES = ("a@b.io", "zyx987@w-w.museum", "q@ttt.de")


def canonical(kind: Kind, value: str) -> str:
    """The one way in which a value is written. Raises ValueError with one sentence."""
    value = value.strip()
    if not value or value.startswith("#"):
        raise ValueError("a value is missing (what begins with # is a comment)")
    if kind is Kind.IP:
        return canonical_network(value)
    if kind is Kind.EMAIL:
        return _canonical_email(value)
    if _REMARK.search(value) or not value.isprintable():
        raise ValueError("a pattern holds no ' #' and nothing invisible; a # is written as [#]")
    pattern = compiled(value)
    if all(map(pattern.search, _NAMES)):
        raise ValueError(f"{value[:60]!r} is found in every name there is: pause the desk instead")
    return value


def _canonical_email(value: str) -> str:
    if " " in value or not value.isprintable():
        raise ValueError(f"{value[:60]!r} is no address: it holds a space or something invisible")
    local, at, domain = value.rpartition("@")
    if is_glob(value):
        if all(map(compiled(expression(value)).search, _ADDRESSES)):
            raise ValueError(f"{value[:60]!r} is every address there is: pause the desk instead")
        if at and not is_glob(domain):
            value = f"{'' if local == '*' else local}@{_ascii_domain(domain)}"
        compiled(expression(value))
        return folded(value)
    if not at:
        raise ValueError(
            f"{value[:60]!r} is no e-mail address: write name@example.org, @example.org for a"
            " domain with its subdomains, or a pattern such as spam*@example.org"
        )
    if _NOT_IN_LOCAL.search(local):
        raise ValueError(f"{value[:60]!r} is no e-mail address: nobody has one with {local[:40]!r}")
    domain = _ascii_domain(domain)
    return address_key(local, domain) if local else f"@{domain}"


def _ascii_domain(domain: str) -> str:
    ascii_domain = domain.rstrip(".").lower()
    if not ascii_domain.isascii():
        # As the addresses that it will be compared with: there are two ways to write "ß" in ASCII.
        try:
            ascii_domain = parse_address(f"a@{ascii_domain}").domain
        except ValueError:
            ascii_domain = ""
    if not _DOMAIN.fullmatch(ascii_domain):
        raise ValueError(f"{domain[:60]!r} is no domain name")
    return ascii_domain


def guess_kind(value: str) -> Kind:
    """IP for an address or network, EMAIL for what holds an @, else NAME."""
    try:
        canonical_network(value)
    except ValueError:
        return Kind.EMAIL if "@" in value else Kind.NAME
    return Kind.IP


def parse_line(kind: Kind, line: str) -> Ban | None:
    """Read a line of a ban file; None for a blank line or a comment. Raises ValueError."""
    line = line.strip()
    if not line or line.startswith("#"):
        return None
    remark = _REMARK.search(line)
    if remark is None:
        return Ban(kind, canonical(kind, line))
    value = canonical(kind, line[: remark.start()])
    return Ban(kind, value, *_read_remark(line[remark.end() :].strip()))


_Remark = tuple[datetime | None, str | None, datetime | None, str]  # until, by, at, reason


def _read_remark(text: str) -> _Remark:
    until, by, at, reasons = None, None, None, []
    while text:
        if len(text) > 1 and text[0] == text[-1] == '"':
            reasons.append(text[1:-1])
            break
        part, _, text = text.partition(" | ")
        part, text = part.strip(), text.strip()
        if until is None and part.startswith("until "):
            until = parse_time(part[6:])
        elif by is None and part.startswith(("by @", "by terminal:")):
            by = part[3:]
        elif at is None and (moment := _time_or_none(part)):
            at = moment
        elif part:
            reasons.append(part)
    return until, by, at, " | ".join(reasons)


def format_line(ban: Ban) -> str:
    """The line that `parse_line` reads back, without its line break."""
    parts = []
    if ban.until is not None:
        parts.append(f"until {format_time(ban.until)}")
    if by := "".join(_words(ban.by or "")):
        parts.append(f"by {by}")
    if ban.at is not None:
        parts.append(format_time(ban.at))
    if reason := " ".join(_words(ban.reason))[:_LONGEST_REASON].rstrip():
        parts.append(reason if _is_plain(reason) else f'"{reason}"')
    return f"{ban.value}  # {' | '.join(parts)}" if parts else ban.value


def _words(text: str) -> list[str]:
    """What can be printed of a text, divided by everything else."""
    return "".join(char if char.isprintable() else " " for char in text).split()


def _is_plain(reason: str) -> bool:
    try:
        return _read_remark(reason) == (None, None, None, reason)
    except ValueError:
        return False


def parse_time(text: str) -> datetime:
    """Read `2026-12-01`, `2026-12-01T00:00Z` and their like, UTC unless they say otherwise.

    Raises ValueError with one sentence.
    """
    try:
        at = datetime.fromisoformat(text.strip())
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):  # overflow: another zone's first or last hours of time
        raise ValueError(
            f"{text.strip()[:40]!r} is no time: write it like 2026-12-01T00:00Z"
        ) from None


def format_time(at: datetime) -> str:
    """A time as it stands in a ban file: to the minute, or to the second if it has any."""
    at = at.astimezone(UTC)
    return f"{at:%Y-%m-%dT%H:%MZ}" if not at.second else f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _time_or_none(text: str) -> datetime | None:
    try:
        return parse_time(text) if text[:1].isdigit() else None
    except ValueError:
        return None


class BanBook:
    """What is banned, ready to be asked; who banned it and why stays in the files."""

    def __init__(self) -> None:
        self._networks = NetworkSet()
        self._addresses: set[str] = set()
        self._globs = PatternSet()
        self._names = PatternSet()
        self._ends: dict[tuple[Kind, str], datetime] = {}

    def add(self, ban: Ban) -> None:
        """Of two bans on one value the longer one holds."""
        key = (ban.kind, ban.value)
        if ban.until is None:
            self._ends.pop(key, None)
        elif not self.holds(ban.kind, ban.value):
            self._ends[key] = ban.until
        elif key in self._ends:
            self._ends[key] = max(ban.until, self._ends[key])
        if ban.kind is Kind.IP:
            self._networks.add(ban.value)
        elif ban.kind is Kind.NAME:
            self._names.add(ban.value, ban.value)
        elif is_glob(ban.value):
            self._globs.add(ban.value, expression(ban.value))
        else:
            self._addresses.add(ban.value)

    def holds(self, kind: Kind, value: str) -> bool:
        """Whether this very value stands in the book, expired or not."""
        if kind is Kind.IP:
            return value in self._networks
        if kind is Kind.NAME:
            return value in self._names
        return value in self._addresses or value in self._globs

    def covers(self, ban: Ban) -> bool:
        """Whether `ban` would change nothing: its value is banned for as long or longer."""
        if not self.holds(ban.kind, ban.value):
            return False
        end = self._ends.get((ban.kind, ban.value))
        return end is None or (ban.until is not None and ban.until <= end)

    def adopt(self, kind: Kind, other: "BanBook") -> None:
        """Take everything of one kind from another book, in place of what stood here."""
        ends = {key: end for key, end in self._ends.items() if key[0] is not kind}
        ends |= {key: end for key, end in other._ends.items() if key[0] is kind}
        # Whoever asks in between must not be told of a ban without its end.
        self._ends = self._ends | ends
        if kind is Kind.IP:
            self._networks = other._networks
        elif kind is Kind.NAME:
            self._names = other._names
        else:
            self._addresses, self._globs = other._addresses, other._globs
        self._ends = ends

    def networks(self, address: IPAddress, now: datetime) -> list[str]:
        """The banned networks that hold an address."""
        return self._living(Kind.IP, self._networks.holding(address), now)

    def addresses(self, address: EmailAddress, now: datetime) -> list[str]:
        """The bans that hit an e-mail address: itself, its domain or one above it, globs."""
        found = [address.key] if address.key in self._addresses else []
        for domain in dict.fromkeys((address.domain, address.key.rpartition("@")[2])):
            labels = domain.split(".")
            parents = ("@" + ".".join(labels[at:]) for at in range(len(labels)))
            found += [parent for parent in parents if parent in self._addresses]
        if self._globs:
            for text in dict.fromkeys((folded(address.text), address.key)):
                found += self._globs.matching(text)
        return self._living(Kind.EMAIL, dict.fromkeys(found), now)

    def names(self, name: str, now: datetime) -> list[str]:
        """The patterns found in a name."""
        return self._living(Kind.NAME, self._names.matching(name), now)

    def expired(self, now: datetime) -> list[tuple[Kind, str]]:
        """The bans whose time is over."""
        return [key for key, end in list(self._ends.items()) if end <= now]

    @property
    def is_crowded(self) -> bool:
        """Whether `compact` is worth its time."""
        return self._names.is_crowded or self._globs.is_crowded

    def compact(self) -> None:
        """Make the patterns fast again; may run in another thread."""
        self._names.compact()
        self._globs.compact()

    def __len__(self) -> int:
        return len(self._networks) + len(self._addresses) + len(self._globs) + len(self._names)

    def _living(self, kind: Kind, values: Iterable[str], now: datetime) -> list[str]:
        ends = self._ends
        return [v for v in values if (end := ends.get((kind, v))) is None or end > now]
