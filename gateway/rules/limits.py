"""Limits that read as sentences: `10 per 1h` lets ten requests through in any hour."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.rules.durations import format_duration, parse_duration

_MOST = 1_000_000_000  # SQLite counts no further than 2^63


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` requests within any span of `within`."""

    count: int
    within: timedelta

    def __str__(self) -> str:
        return f"{self.count} per {format_duration(self.within)}"

    def allows(self, seen: int) -> bool:
        """Whether one more fits when `seen` were counted within the span."""
        return seen < self.count


class Scope(StrEnum):
    """Of what the requests are counted, by the key of the configuration."""

    EMAIL = "email"  # one mailbox, however it is spelt
    DOMAIN = "domain"  # one mail domain, but for those that everybody uses
    IPV4 = "ipv4"  # one IPv4 address
    NETWORK = "network"  # an IPv4 /24, an IPv6 /64
    IPV6_48 = "ipv6_48"
    ALL = "all"


Limits = dict[Scope, tuple[Limit, ...]]


@dataclass(frozen=True, slots=True)
class Crowd:
    """A limit that is used up for one request: whose, and from when on it has room again."""

    scope: Scope
    whose: str
    limit: Limit
    room_at: datetime


def parse_limit(text: str) -> Limit:
    """Read `10 per 1h`; raises ValueError with one sentence when it is no such thing."""
    count, per, within = text.partition(" per ")
    if not per or not count.strip().isdecimal() or not count.strip().isascii():
        raise ValueError(f"{text[:40]!r} is no limit: write it like 10 per 1h")
    count = count.strip().lstrip("0") or "0"
    if len(count) > 10 or int(count) > _MOST:
        raise ValueError(f"{text[:40]!r} is more than {_MOST} at most: leave the limit out instead")
    within = within.strip()
    span = parse_duration(within if within[:1].isdigit() else f"1 {within}")
    if not span:
        raise ValueError(f"{text[:40]!r} is no limit: its span of time is zero")
    return Limit(int(count), span)
