"""Intents: changes of the ban files that are under way.

A file and the database cannot change in one transaction. So what is about to be done to a file is
kept here first; when it is done it moves into the audit, and a crash between the two is made good
by whoever finds the intent.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from gateway.store.audit import Entry
from gateway.store.schema import intents

_LONG = timedelta(minutes=1)  # no change of a file takes so long


@dataclass(frozen=True, slots=True)
class Intent:
    """What the audit will say once it is done."""

    id: int
    entries: tuple[Entry, ...]


def form(connection: Connection, entries: Sequence[Entry], now: datetime) -> Intent:
    """Keep what is about to be done; all of `entries` are of one Matrix event, or of none."""
    kept = [asdict(entry) | {"at": entry.at.isoformat()} for entry in entries]
    values = {"at": now, "event_id": entries[0].event_id, "entries": json.dumps(kept)}
    added = intents.insert().values(values).returning(intents.c.id)
    return Intent(int(connection.execute(added).scalar_one()), tuple(entries))


def of_event(connection: Connection, event_id: str) -> Intent | None:
    """What an event wanted before a crash."""
    query = select(intents.c.id, intents.c.entries).where(intents.c.event_id == event_id)
    row = connection.execute(query.limit(1)).first()
    return None if row is None else _read(*row)


def left(connection: Connection, now: datetime) -> list[Intent]:
    """Those of processes that are gone, oldest first."""
    i = intents.c
    # From the future: written before the clock was set back.
    old = or_(i.at < now - _LONG, i.at > now + _LONG)
    query = select(i.id, i.entries).where(old).order_by(i.id)
    return [_read(*row) for row in connection.execute(query)]


def settle(connection: Connection, intent_id: int) -> bool:
    """It is done, or given up; False when somebody else said so before."""
    return connection.execute(intents.delete().where(intents.c.id == intent_id)).rowcount == 1


def _read(number: int, text: str) -> Intent:
    kept = json.loads(text)
    return Intent(
        number,
        tuple(Entry(**each | {"at": datetime.fromisoformat(each["at"])}) for each in kept),
    )
