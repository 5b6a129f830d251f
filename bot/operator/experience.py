"""What the desk has seen so far: tokens that were mailed, and no account that came of them."""

import asyncio
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.operator.finding import Finding
from gateway.settings.homeserver import Homeserver
from gateway.store import tallies
from gateway.store.database import Database

_ENOUGH = 10  # mailed tokens that cannot all have been left unused
_SINCE, _UNTIL = timedelta(days=30), timedelta(days=1)  # ago; people take a day


async def recall(path: Path, homeserver: Homeserver, now: datetime) -> list[Finding]:
    """Look into the database, if there is one that can be read."""
    if not await asyncio.to_thread(path.is_file):
        return []
    database = Database(path)

    def read(connection: Connection) -> tuple[int, int]:
        return tallies.outcome(connection, now - _SINCE, now - _UNTIL)

    try:
        mailed, registered = await database.read(read)
    except SQLAlchemyError:
        return []  # one of another version, or none: told elsewhere
    finally:
        await database.close()
    if mailed < _ENOUGH or registered:
        return []
    text = (
        f"homeserver.{homeserver.way}: {mailed} people were mailed a token within"
        f" {_SINCE.days} days, and no account was seen; make sure that the tokens reach the"
        " homeserver: open an account with one of them"
    )
    return [Finding(text, is_warning=True)]
