"""Home: which homeserver the desk stands before, and since when.

Another one knows nothing of the tokens that were issued before, and its accounts are there already.
"""

from datetime import datetime

from sqlalchemy import Connection

from gateway.store import facts

_HOME, _SINCE = "home", "home since"
ACCOUNTS_READ = "accounts read until"  # the end of its list of accounts, as far as it was read


def is_new(connection: Connection, home: str) -> bool:
    """Whether the desk stood before another one until now, or before none."""
    return facts.recall(connection, _HOME) != home


def arrive(connection: Connection, home: str, now: datetime) -> None:
    """The desk stands before `home` from now on; what it knew of the one before is forgotten."""
    if not is_new(connection, home):
        return
    if facts.recall(connection, _HOME) is not None:
        facts.note(connection, _SINCE, now.isoformat())
        facts.forget(connection, ACCOUNTS_READ)
    facts.note(connection, _HOME, home)


def since(connection: Connection) -> datetime | None:
    """Since when it is this one; None when it was always."""
    kept = facts.recall(connection, _SINCE)
    return None if kept is None else datetime.fromisoformat(kept)
