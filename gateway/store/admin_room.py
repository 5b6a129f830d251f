"""What the bot last made of the homeserver's admin room: how far it read, when, and what is wrong.

The bot writes it; the gateway and `status` read it, also while no bot runs.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.store import alerts, facts, states

_READING, _WARNINGS = "admin room reading", "admin room warnings"  # facts
_CAUSE = "admin room"
_MUTE = (("🔇", "mute {id} --for 1d"),)


@dataclass(frozen=True, slots=True)
class Reading:
    """The room was read at `read_at` as far as the event `event_id`. `sent_at` is the homeserver's
    own time then, in milliseconds."""

    room_id: str
    event_id: str
    sent_at: int
    read_at: datetime


def keep(connection: Connection, reading: Reading) -> None:
    """The room is read as far as this."""
    kept = [reading.room_id, reading.event_id, reading.sent_at, reading.read_at.isoformat()]
    facts.note(connection, _READING, json.dumps(kept))


def last(connection: Connection) -> Reading | None:
    """How far the room was read; None when it never was."""
    kept = facts.recall(connection, _READING)
    if kept is None:
        return None
    room_id, event_id, sent_at, read_at = json.loads(kept)
    return Reading(room_id, event_id, sent_at, datetime.fromisoformat(read_at))


def warn(connection: Connection, warnings: Sequence[str], now: datetime) -> None:
    """Keep what is wrong with the room now, one sentence each, and tell the moderators."""
    facts.note(connection, _WARNINGS, json.dumps(list(warnings)))
    if warnings:
        text = "\n".join(("The homeserver's admin room is not as it should be:", *warnings))
        states.begin(connection, _CAUSE, text, now, actions=_MUTE)
    else:
        alerts.end(connection, _CAUSE, now, "The homeserver's admin room is as it should be again")


def warnings(connection: Connection) -> list[str]:
    """What is wrong with the room, as far as the bot saw."""
    return list(json.loads(facts.recall(connection, _WARNINGS) or "[]"))
