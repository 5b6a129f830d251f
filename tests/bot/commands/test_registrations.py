"""Moderators find requests, in a table and in a file."""

import csv
import io
from datetime import timedelta

import pytest

from gateway.store import registrations
from gateway.store.registrations import Request, Status

HOME = ("203.0.113.7", "203.0.113.0/24")


async def test_requests_are_found_masked_unless_asked_for_in_full(typed, apply):
    assert (await typed("registrations")).plain() == "No registration found."
    await apply()
    await apply("bob", "bob@other.example", "2001:db8::7")
    await apply("ann", "eve@example.net", "198.51.100.1")
    lines = (await typed("registrations")).plain().splitlines()
    assert lines == [
        "3 found:",
        "No. · UTC · State · Name · Address · Network",
        "3 · 11-24 12:00 · refused (name held) · ann · e…@example.net · 198.51.100.0/24",
        "2 · 11-24 12:00 · pending · bob · b…@other.example · 2001:db8::/64",
        "1 · 11-24 12:00 · pending · ann · a…@example.net · 203.0.113.0/24",
    ]
    assert "bob@other.example · 2001:db8::7" in (await typed("registrations bob --full")).plain()
    assert "bob" not in (await typed("registrations --status refused")).plain()
    assert not (await typed("registrations --status lost")).ok


async def test_since_leaves_older_ones_out(typed, apply, clock):
    await apply()
    clock.turn(timedelta(hours=2))
    assert (await typed("registrations --since 1h")).plain() == "No registration found."
    assert "ann" in (await typed("registrations --since 3h")).plain()
    assert "ann" in (await typed("registrations --since 2026-11-24T11:00")).plain()
    assert (await typed("registrations --until 2026-11-23")).plain() == "No registration found."
    assert "ann" in (await typed("registrations --until 2026-11-24")).plain()
    assert "ann" not in (await typed("registrations --until 3h")).plain()


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("--since=soon", "'soon' is no time: write it like 24h"),
        ("--since=2026-13-01", "'2026-13-01' is no time"),
        ("--until=9999-12-31", "'9999-12-31' is no time"),
        ("--network=x", "'x' is no address or network"),
        ("--domain=@..", "'@..' is no domain"),
        ("--status=lost", "'lost' is not one of"),
    ],
)
async def test_what_cannot_be_read_is_pointed_at(typed, line, sentence):
    answer = await typed(f"registrations {line} ann")
    assert not answer.ok
    assert sentence in answer.plain()
    assert f"\n              {'^' * len(line)}\n" in answer.plain()


async def test_wishes_are_joined(typed, apply):
    await apply()
    await apply("bob", "bob@other.example", "2001:db8::7")
    assert "bob" not in (await typed("regs 203.0.113.0/24")).plain()
    assert "bob" in (await typed("regs --network 2001:db8::/32 --domain other.example")).plain()
    assert (await typed("regs bob --network 203.0.113.0/24")).plain() == "No registration found."


async def test_more_than_fit_come_as_a_file_masked_and_without_formulas(typed, desk, clock):
    def fill(connection):
        for number in range(25):
            request = Request(f"=n{number}", "a.b@x.example", "a.b@x.example", *HOME, "en")
            registrations.add(
                connection, request, Status.PENDING, clock(), held_until=clock(), name_checked=True
            )

    await desk.database.write(fill)
    answer = await typed("registrations")
    assert answer.plain().startswith("25 found; the newest 20, and all in the file:")
    assert len(answer.plain().splitlines()) == 22
    (sheet,) = answer.attachments
    assert (sheet.name, sheet.content_type) == ("registrations-20261124-120000.csv", "text/csv")
    assert sheet.text == "25 registrations, newest first, addresses masked"
    found = [*csv.DictReader(io.StringIO(sheet.data.decode(), newline=""))]
    assert (len(found), found[0]["name"], found[0]["email"]) == (25, "'=n24", "a…@x.example")
    assert b"a.b@" not in sheet.data
    assert b"203.0.113.7" not in sheet.data
    (sheet,) = (await typed("registrations --full")).attachments
    assert b"a.b@x.example" in sheet.data
    assert b"203.0.113.7" in sheet.data


async def test_a_file_is_given_also_of_a_few(typed, apply):
    await apply()
    assert (await typed("registrations")).attachments == ()
    (sheet,) = (await typed("registrations --csv")).attachments
    assert sheet.data.count(b"\n") == 2


async def test_a_file_has_an_end_and_says_so(typed, desk, apply, monkeypatch):
    monkeypatch.setattr("bot.commands.registrations._MOST", 2)
    for number in range(3):
        await apply(f"n{number}", f"n{number}@x.example")
    answer = await typed("registrations --csv")
    assert answer.plain().startswith("More than 2 found; the newest 2:")
    assert "porter export registrations" in answer.plain()
    assert answer.attachments[0].data.count(b"\n") == 3
