"""Sheets: what spreadsheets and programs read, and no formula of an applicant's."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.sheets import COLUMNS, write_csv, write_json
from gateway.store import registrations
from gateway.store.database import Database
from gateway.store.registrations import Registration, Request, Status

NOW = datetime(2026, 11, 24, 12, 0, 0, 250_000, tzinfo=UTC)


def registration(name: str = "alice", **changes: object) -> Registration:
    values: dict[str, object] = {
        "id": 7,
        "created_at": NOW,
        "name": name,
        "email": "a.b@gmail.com",
        "email_key": "ab@gmail.com",
        "ip": "2001:db8::1",
        "network": "2001:db8::/64",
        "language": "de",
        "status": Status.REFUSED,
        "refusals": ({"code": "name_banned", "field": "x", "detail": "^a"}, {"code": "closed"}),
        "reviews": ({"code": "ban", "detail": "^a"}, {"code": "new_network", "detail": "x"}),
        "name_checked": True,
        "held_until": NOW + timedelta(days=1),
        "token_id": None,
        "mailed_at": None,
        "registered_at": None,
    }
    return Registration(**(values | changes))  # type: ignore[arg-type]


def test_csv_has_a_title_and_times_in_utc() -> None:
    stream = io.StringIO(newline="")
    assert write_csv([registration()], stream) == 1
    (row,) = csv.DictReader(io.StringIO(stream.getvalue()))
    assert tuple(row) == COLUMNS
    assert row["created_at"] == "2026-11-24T12:00:00.250000Z"
    assert row["status"] == "refused"
    assert row["refusals"] == "name_banned closed"
    assert row["reviews"] == "ban new_network"
    assert row["mailed_at"] == ""


def test_json_has_whole_objects() -> None:
    stream = io.StringIO()
    assert write_json([registration(), registration("böse")], stream) == 2
    first, second = json.loads(stream.getvalue())
    assert tuple(first) == COLUMNS
    assert first["refusals"][0] == {"code": "name_banned", "field": "x", "detail": "^a"}
    assert first["reviews"][0] == {"code": "ban", "detail": "^a"}
    assert first["registered_at"] is None
    assert second["name"] == "böse"


def test_nothing_to_export_is_still_csv_and_json() -> None:
    table, tree = io.StringIO(), io.StringIO()
    assert write_csv([], table) == write_json([], tree) == 0
    assert table.getvalue().splitlines() == [",".join(COLUMNS)]
    assert json.loads(tree.getvalue()) == []


@pytest.mark.parametrize("beginning", ["=", "+", "-", "@", "\t", "\r", "\n"])
def test_no_cell_of_an_applicants_is_a_formula(beginning: str) -> None:
    value = beginning + 'HYPERLINK("http://evil.example","x")'
    stream = io.StringIO()
    write_csv([registration(value, email=value, email_key=value, ip=value)], stream)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue(), newline=""))
    for column in ("name", "email", "email_key", "ip"):
        assert row[column] == "'" + value


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_whatever_was_typed_stays_in_its_cell(text: str) -> None:
    table, tree = io.StringIO(newline=""), io.StringIO()
    write_csv([registration(text), registration("next")], table)
    first, second = csv.DictReader(io.StringIO(table.getvalue(), newline=""))
    assert first["name"].removeprefix("'") == text.removeprefix("'")
    assert not first["name"].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert second["name"] == "next"
    write_json([registration(text)], tree)
    assert json.loads(tree.getvalue())[0]["name"] == text


class Counting(io.StringIO):
    """Counts what is written and keeps nothing of it."""

    written = 0

    def write(self, text: str) -> int:
        self.written += len(text)
        return len(text)


@pytest.mark.parametrize("write", [write_csv, write_json])
async def test_memory_does_not_grow_with_the_rows(tmp_path: Path, write) -> None:  # type: ignore[no-untyped-def]
    database = Database(tmp_path / "porter.db")
    database.open()
    request = Request("x" * 200, "e" * 200, "k" * 200, "192.0.2.1", "192.0.2.0/24", "en")

    def fill(connection) -> None:  # type: ignore[no-untyped-def]
        for _ in range(5000):
            registrations.add(
                connection, request, Status.MAILED, NOW, held_until=NOW, name_checked=True
            )

    await database.write(fill)
    stream = Counting()
    tracemalloc.start()
    try:
        assert await database.read(lambda c: write(registrations.every(c), stream)) == 5000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    await database.close()
    assert stream.written > 3_000_000 > peak * 2
