"""Spans of time as people write them: `7d`, `1h30m`, `90s`, `2 weeks`, or plain seconds.

Used by the configuration and by the moderators' `--for`, so that both read alike.
"""

import re
from datetime import timedelta

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PART = re.compile(
    r"\s*([0-9]{1,9})\s*(weeks?|w|days?|d|hours?|h|minutes?|min|m|seconds?|sec|s)(?![a-z])?\s*"
)
_LONGEST = timedelta(days=36500)


def parse_duration(text: str) -> timedelta:
    """Read a span of time; a bare number counts seconds.

    Raises ValueError with one sentence when `text` is no span of time, or one over a century.
    """
    cleaned = text.strip().lower()
    if cleaned.isascii() and cleaned.isdigit():
        seconds = int(cleaned[:12])
    else:
        seconds, position = 0, 0
        while position < len(cleaned):
            part = _PART.match(cleaned, position)
            if part is None:
                seconds = -1
                break
            seconds += int(part[1]) * _SECONDS[part[2][0]]
            position = part.end()
        if not cleaned or seconds < 0:
            raise ValueError(f"{text[:40]!r} is no span of time: write it like 7d, 12h or 1h30m")
    if seconds > _LONGEST.total_seconds():
        raise ValueError(f"{text[:40]!r} is longer than a century: leave the limit out instead")
    return timedelta(seconds=seconds)


def format_duration(span: timedelta) -> str:
    """The shortest way to write a span that `parse_duration` reads back, such as `1d12h`."""
    seconds = max(0, round(span.total_seconds()))
    parts = []
    for unit in ("w", "d", "h", "m", "s"):
        count, seconds = divmod(seconds, _SECONDS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return "".join(parts) or "0s"
