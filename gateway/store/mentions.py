"""Mentions of an address in what moderators, mail servers and the desk wrote down.

Each table's texts are looked through, however long that takes, beside the writer; then those that
name the address are changed in its transaction, where they still read as they were read.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Column, Connection, Integer, Table, func, literal_column, or_, select

from gateway.rules.mentions import without
from gateway.store.room_schema import alerts, mutes, notes, offers, questions
from gateway.store.schema import audit, facts, hits, intents, mails, registrations

_TEXTS: dict[Table, tuple[str, ...]] = {
    audit: ("subject", "before", "after", "reason"),
    alerts: ("cause", "text", "details", "actions"),
    notes: ("subject", "text"),
    questions: ("words",),
    offers: ("command",),
    intents: ("entries",),
    facts: ("value",),
    mails: ("text", "last_error"),
    registrations: ("name",),
    hits: ("value",),
    mutes: ("cause",),
}
_KEYED = (hits, mutes)  # by the text itself, so the row goes


@dataclass(frozen=True, slots=True)
class Mention:
    """A text that names an address, and how it reads without."""

    table: Table
    row: int
    column: Column[str]
    text: str
    bare: str


def find(connection: Connection, key: str) -> list[Mention]:
    """Every text that names the address of this key, in any spelling."""
    return [
        Mention(table, row, column, text, bare)
        for table, names in _TEXTS.items()
        for row, column, text in _addresses(connection, table, [table.c[name] for name in names])
        if (bare := without(text, key)) != text
    ]


def _addresses(
    connection: Connection, table: Table, columns: Sequence[Column[str]]
) -> list[tuple[int, Column[str], str]]:
    """The texts of a table in which any address stands."""
    some = or_(*(column.contains("@") for column in columns))
    query = select(_row(table), *columns).where(some)
    rows = connection.execution_options(yield_per=1000).execute(query)
    return [
        (row[0], column, text)
        for row in rows
        for column, text in zip(columns, row[1:], strict=True)
        if text and "@" in text
    ]


def take_out(connection: Connection, found: Sequence[Mention]) -> None:
    """Let these texts name it no more; the room is told of an alert that reads otherwise now."""
    for each in found:
        table, is_same = each.table, (_row(each.table) == each.row, each.column == each.text)
        if table in _KEYED:
            connection.execute(table.delete().where(*is_same))
            continue
        values: dict[str, Any] = {each.column.name: each.bare}
        values |= {"version": alerts.c.version + 1} if table is alerts else {}
        connection.execute(table.update().where(*is_same).values(values))


def silence(connection: Connection, causes: Sequence[str], now: datetime) -> None:
    """Let the alerts of these causes say nothing of whom they were about, and end them."""
    a = alerts.c
    values = {
        "text": "What this told of is forgotten",
        "details": "[]",
        "actions": "[]",
        "ended_at": func.coalesce(a.ended_at, now),
        "version": a.version + 1,
    }
    for cause in causes:  # each by its index, however many they are
        connection.execute(alerts.update().where(a.cause == cause).values(values))


def _row(table: Table) -> Column[int]:
    return literal_column(f"{table.name}.rowid", Integer)  # type: ignore[return-value]
