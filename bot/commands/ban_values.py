"""The values that a moderator bans, as he types them or pastes them from a list."""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import click

from gateway.rules.bans import Kind, canonical, guess_kind, parse_time
from gateway.rules.networks import neighbourhood, plain_address

Value = tuple[Kind, str]

_REMARK = re.compile(r"(?:^|\s)#.*")
_DIVIDER = re.compile(r"[\s,]+")
_DOMAIN = re.compile(r"(?:[\w-]+\.)+[^\W\d][\w-]+")  # spam.example, but not 203.0.113.300


class Moment(click.ParamType[datetime]):
    """A time as it stands in a ban file: `2026-12-01`, or `2026-12-01T12:00`, in UTC."""

    name = "time"

    def convert(self, value: Any, param: Any, ctx: Any) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            return parse_time(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


MOMENT = Moment()


def read_values(words: Sequence[str]) -> tuple[list[Value], list[str]]:
    """Values, each once and written in the one way, and a sentence for each that is none.

    The kind stands before them all, or is guessed for addresses. Commas divide values as spaces
    do, but in a pattern they are part of it.
    """
    kind = Kind(words[0].lower()) if words[0].lower() in set(Kind) else None
    if kind is not None:
        words = words[1:]
    if kind is not Kind.NAME:
        words = [part for word in words for part in _DIVIDER.split(_REMARK.sub("", word)) if part]
    if not words:
        raise click.UsageError(f"What {kind or 'address'} is meant? A value is missing.")
    values: dict[Value, None] = {}
    faults = []
    for word in words:
        try:
            values[_read(kind, word)] = None
        except ValueError as error:
            faults.append(f"{error}.")
    return [*values], faults


def _read(kind: Kind | None, word: str) -> Value:
    kind, guessed = kind or guess_kind(word), kind is None
    if guessed and kind is Kind.NAME:
        # Any word is a pattern; a typing mistake should not become a ban.
        ways = f"for a pattern in names write: ban name {word[:60]}"
        if _DOMAIN.fullmatch(word):
            ways = f"for a domain write: ban @{word[:60]}; {ways}"
        raise ValueError(f"{word[:60]!r} is no address: {ways}")
    return kind, canonical(kind, word)


def rolled_up(values: Iterable[Value]) -> list[Value]:
    """The same with each single IP address replaced by the /24 or /64 around it."""
    return [*dict.fromkeys((kind, around(kind, value) or value) for kind, value in values)]


def around(kind: Kind, value: str) -> str | None:
    """The /24 or /64 around a canonical single IP address; None for every other value."""
    if kind is not Kind.IP or "/" in value:
        return None
    return str(neighbourhood(plain_address(value)))


def neighbours(values: Iterable[Value]) -> list[str]:
    """The networks of which several single addresses stand among the values."""
    found: dict[str, int] = {}
    for kind, value in values:
        network = around(kind, value)
        if network is not None:
            found[network] = found.get(network, 0) + 1
    return [network for network, count in found.items() if count > 1]
