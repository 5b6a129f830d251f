"""Bans: one line of a text file each.

A line is the value, then after ` # ` what is known of it, parts divided by ` | `:
`203.0.113.0/24  # until 2026-12-01T00:00Z | by @mod:example.org | 2026-11-23T10:04Z | open proxy`
All of the remark may be missing, its parts may stand in any order, and whatever else stands there
is the reason. A reason that could be taken for another part is written in quotation marks. The part
`review` lets a person look at what the line hits, instead of refusing it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum

from gateway.rules.addresses import address_key, folded, parse_domain
from gateway.rules.globs import expression, is_glob
from gateway.rules.networks import canonical_network
from gateway.rules.patterns import compiled


class Kind(StrEnum):
    """What a ban is about."""

    IP = "ip"
    EMAIL = "email"
    NAME = "name"


@dataclass(frozen=True, slots=True)
class Ban:
    """One ban. `value` is canonical; times are aware UTC; no `until` lasts for good.

    `by` is a Matrix id, or `terminal:` and a name. With `review` what it hits is not refused, but
    waits until a moderator has looked at it.
    """

    kind: Kind
    value: str
    until: datetime | None = None
    by: str | None = None
    at: datetime | None = None
    reason: str = ""
    review: bool = False

    def in_force(self, now: datetime) -> bool:
        return self.until is None or self.until > now


_REMARK = re.compile(r"\s+#")
_NOT_IN_LOCAL = re.compile(r'[()<>\[\]:;@\\,"]')
_LONGEST_REASON = 300
_REVIEW = "review"
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
            value = f"{'' if local == '*' else local}@{parse_domain(domain)}"
        compiled(expression(value))
        return folded(value)
    if not at:
        raise ValueError(
            f"{value[:60]!r} is no e-mail address: write name@example.org, @example.org for a"
            " domain with its subdomains, or a pattern such as spam*@example.org"
        )
    if _NOT_IN_LOCAL.search(local):
        raise ValueError(f"{value[:60]!r} is no e-mail address: nobody has one with {local[:40]!r}")
    domain = parse_domain(domain)
    return address_key(local, domain) if local else f"@{domain}"


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


_Remark = tuple[datetime | None, str | None, datetime | None, str, bool]  # as in Ban, from `until`


def _read_remark(text: str) -> _Remark:
    until, by, at, reasons, review = None, None, None, list[str](), False
    while text:
        if len(text) > 1 and text[0] == text[-1] == '"':
            reasons.append(text[1:-1])
            break
        part, _, text = text.partition(" | ")
        part, text = part.strip(), text.strip()
        if not review and part == _REVIEW:
            review = True
        elif until is None and part.startswith("until "):
            until = parse_time(part[6:])
        elif by is None and part.startswith(("by @", "by terminal:")):
            by = part[3:]
        elif at is None and (moment := _time_or_none(part)):
            at = moment
        elif part:
            reasons.append(part)
    return until, by, at, " | ".join(reasons), review


def format_line(ban: Ban) -> str:
    """The line that `parse_line` reads back, without its line break."""
    parts = [_REVIEW] if ban.review else []
    if ban.until is not None:
        parts.append(f"until {format_time(ban.until)}")
    if by := "".join(_words(ban.by or "")):
        parts.append(f"by {by}")
    if ban.at is not None:
        parts.append(format_time(ban.at))
    if reason := " ".join(_words(ban.reason))[:_LONGEST_REASON].rstrip():
        parts.append(reason if _is_plain(reason) else f'"{reason}"')
    return f"{ban.value}  # {' | '.join(parts)}" if parts else ban.value


def as_written(ban: Ban) -> Ban:
    """The ban that is read when its line is."""
    read = parse_line(ban.kind, format_line(ban))
    assert read is not None
    return read


def _words(text: str) -> list[str]:
    """What can be printed of a text, divided by everything else."""
    return "".join(char if char.isprintable() else " " for char in text).split()


def _is_plain(reason: str) -> bool:
    try:
        return _read_remark(reason) == (None, None, None, reason, False)
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
