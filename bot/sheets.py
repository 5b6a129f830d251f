"""Sheets: registrations as CSV or JSON, written as they are read, however many there are.

Times are ISO 8601 in UTC. In CSV a text that a spreadsheet would take for a formula gets a quote
before it: applicants choose their names and addresses.
"""

import csv
import json
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, TextIO

from gateway.store.registrations import Registration

COLUMNS = (
    "id",
    "created_at",
    "status",
    "name",
    "email",
    "email_key",
    "ip",
    "network",
    "language",
    "refusals",
    "reviews",
    "held_until",
    "mailed_at",
    "registered_at",
    "account",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_csv(registrations: Iterable[Registration], stream: TextIO) -> int:
    """One line each below a line of titles; returns how many."""
    return write_rows(COLUMNS, map(_row, registrations), stream)


def write_rows(head: Sequence[str], rows: Iterable[Iterable[Any]], stream: TextIO) -> int:
    """Rows below a line of titles, as CSV; returns how many."""
    writer = csv.writer(stream)  # its \r\n also makes it quote a cell with a lone \r
    writer.writerow(head)
    count = 0
    for row in rows:
        count += 1
        writer.writerow(["" if value is None else _harmless(value) for value in row])
    return count


def _row(registration: Registration) -> Iterable[Any]:
    # Of a reason the code alone: its detail repeats what stands in the other columns.
    codes = {
        "refusals": " ".join(each["code"] for each in registration.refusals),
        "reviews": " ".join(each["code"] for each in registration.reviews),
    }
    return (_values(registration) | codes).values()


def write_json(registrations: Iterable[Registration], stream: TextIO) -> int:
    """A list of objects, one a line; returns how many."""
    count = 0
    stream.write("[")
    for registration in registrations:
        stream.write(",\n" if count else "\n")
        count += 1
        json.dump(_values(registration), stream, ensure_ascii=False)
    stream.write("\n]\n")
    return count


FORMATS: dict[str, Callable[[Iterable[Registration], TextIO], int]] = {
    "csv": write_csv,
    "json": write_json,
}


def _values(registration: Registration) -> dict[str, Any]:
    return {name: _plain(getattr(registration, name)) for name in COLUMNS}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, tuple):
        return [dict(each) for each in value]
    return value


def _harmless(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value
