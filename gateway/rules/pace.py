"""How long mails take at present, judged by those that went out and those that wait."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import ceil
from statistics import median

_MINUTE = timedelta(minutes=1)
_USUAL = 2  # minutes; up to here nothing is worth a word
_EXACT = 10  # minutes; longer times are told in steps of five
_PATIENCE = timedelta(minutes=10)  # a mail that waits longer is held up, unless others go out


@dataclass(frozen=True, slots=True)
class Pace:
    """About how many minutes a mail takes, None for the usual few; or whether mails are held up."""

    minutes: int | None = None
    is_held_up: bool = False


def judge(spans: Sequence[timedelta], waits_since: datetime | None, now: datetime) -> Pace:
    """The pace, by how long the latest mails took. `waits_since` is when the oldest mail was owed
    of those that came after the last one that went out: one bad mailbox is nobody else's delay."""
    if waits_since is not None and now - waits_since > _PATIENCE:
        return Pace(is_held_up=True)
    usual = median([span / _MINUTE for span in spans] or [0])
    if usual <= _USUAL:
        return Pace()
    minutes = ceil(usual)
    return Pace(minutes if minutes <= _EXACT else ceil(minutes / 5) * 5)
