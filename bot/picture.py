"""The picture of `stats`: asked of a child process, which bears its memory and its time."""

import asyncio
import json
import os
import sys
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import structlog

from bot import chart
from bot.answers import Attachment, counted
from gateway.rules.screening import in_words
from gateway.store.statistics import Statistics

_log = structlog.get_logger(__name__)

PATIENCE = 20.0  # seconds; the first picture after an installation looks for fonts
_LARGEST = 2 * 1024 * 1024  # bytes of a picture; it has about 50,000
_PNG = b"\x89PNG\r\n\x1a\n"


async def paint(found: Statistics, server_name: str, folder: Path) -> Attachment | None:
    """A picture of the statistics; None when it cannot be drawn, which the log explains.

    `folder` keeps what the drawing library remembers.
    """
    try:
        data = await asyncio.wait_for(_drawn(_facts(found, server_name), folder), PATIENCE)
    except (OSError, TimeoutError, ValueError) as error:
        _log.warning("picture_not_drawn", reason=str(error) or type(error).__name__)
        return None
    size = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    return Attachment("statistics.png", "image/png", data, told(found), size)


def told(found: Statistics) -> str:
    """What the picture shows, in words."""
    total = found.total()
    busiest = max(found.periods, key=lambda each: each.requests)
    since = "by day since" if found.days == 1 else "by week since"
    when = "on" if found.days == 1 else "in the week from"
    parts = [f"Bars of requests {since} {total.start}: {total.requests:,} in all"]
    if total.requests:
        parts.append(f", most ({busiest.requests:,}) {when} {busiest.start}")
    parts.append(f"; {total.refused:,} refused")
    if found.reasons:
        code, number = found.reasons[0]
        parts.append(f", first for: {in_words(code)} ({number:,})")
    parts.append(f"; {counted(total.accounts, 'account')} opened.")
    return "".join(parts)


def _facts(found: Statistics, server_name: str) -> dict[str, Any]:
    first = found.periods[0].start
    last = found.periods[-1].start + timedelta(days=found.days - 1)
    year = "" if first.year == last.year else f" {first.year}"
    return {
        "title": f"{server_name}, {_label(first)}{year} to {_label(last)} {last.year}",
        "unit": "each day (UTC)" if found.days == 1 else "each week (UTC)",
        "labels": [_label(each.start) for each in found.periods],
        "accepted": [each.requests - each.refused for each in found.periods],
        "refused": [each.refused for each in found.periods],
        "accounts": [each.accounts for each in found.periods],
        "reasons": [(in_words(code), number) for code, number in found.reasons],
    }


def _label(day: date) -> str:
    return f"{day.day} {day:%b}"


async def _drawn(facts: dict[str, Any], folder: Path) -> bytes:
    """A PNG. Raises OSError, or ValueError when the child made none."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # the folder of the program is no place to import from
        chart.__file__,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "MPLCONFIGDIR": str(folder)},
    )
    try:
        data, complaint = await child.communicate(json.dumps(facts).encode())
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()
    if child.returncode or not data.startswith(_PNG) or len(data) > _LARGEST:
        last = complaint.decode(errors="replace").strip().rpartition("\n")[2]
        raise ValueError(last or f"status {child.returncode}")
    return data
