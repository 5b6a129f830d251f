"""Moments of the past as moderators write them: `24h` ago, or a date."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from gateway.rules.durations import parse_duration

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Past:
    """So long ago, or at a time in UTC."""

    ago: timedelta | None = None
    time: datetime | None = None

    def at(self, now: datetime) -> datetime:
        """The moment that is meant."""
        return self.time or now - (self.ago or timedelta())


class PastTime(click.ParamType[Past]):
    """A span of time before now, or a time; of a day alone its beginning, or its end."""

    name = "time"

    def __init__(self, *, ends: bool) -> None:
        self._ends = ends

    def convert(self, value: Any, param: Any, ctx: Any) -> Past:
        text = str(value)
        try:
            time = datetime.fromisoformat(text) if "-" in text else None
            if time is None:
                return Past(ago=parse_duration(text))
            if self._ends and len(text) == len("2026-11-01"):
                time += _DAY
            # A time zone may take the first or the last day out of the calendar.
            return Past(
                time=time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
            )
        except (ValueError, OverflowError):
            self.fail(
                f"{text[:40]!r} is no time: write it like 24h, 2026-11-01 or 2026-11-01T12:00.",
                param,
                ctx,
            )


AFTER = PastTime(ends=False)
BEFORE = PastTime(ends=True)


def moment(past: Past | None, now: datetime) -> datetime | None:
    """The moment that an option names, if it was given."""
    return None if past is None else past.at(now)
