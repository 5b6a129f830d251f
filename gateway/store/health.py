"""Health: which of the servers behind the desk can be used, and since when."""

import json
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.store import facts


@dataclass(frozen=True, slots=True)
class Health:
    """How a server stands; `reason` says in one sentence why it cannot be used."""

    is_up: bool
    since: datetime
    reason: str = ""


def note(connection: Connection, server: str, health: Health) -> None:
    """Keep how a server stands: `smtp` or `homeserver`."""
    kept = {"up": health.is_up, "since": health.since.isoformat(), "reason": health.reason}
    facts.note(connection, f"health {server}", json.dumps(kept))


def recall(connection: Connection, server: str) -> Health | None:
    """How a server stands; None when nobody has looked yet."""
    kept = facts.recall(connection, f"health {server}")
    if kept is None:
        return None
    read = json.loads(kept)
    return Health(read["up"], datetime.fromisoformat(read["since"]), read["reason"])
