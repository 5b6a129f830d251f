"""What the desk has seen so far: tokens that were mailed, and no account that came of them; people
who all seem to be in one place."""

import asyncio
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.operator.finding import Finding
from gateway.settings.homeserver import Homeserver
from gateway.settings.settings import Settings
from gateway.store import tallies
from gateway.store.database import Database

_ENOUGH = 10  # mailed tokens that cannot all have been left unused
_LATEST, _PEOPLE = 100, 20  # requests looked at; so many people are seldom in one place
_SINCE, _UNTIL = timedelta(days=30), timedelta(days=1)  # ago; people take a day


async def recall(settings: Settings, now: datetime) -> list[Finding]:
    """Look into the database, if there is one that can be read."""
    path = settings.state / "porter.db"
    if not await asyncio.to_thread(path.is_file):
        return []
    database = Database(path)

    def read(connection: Connection) -> list[Finding]:
        mailed, registered = tallies.outcome(connection, now - _SINCE, now - _UNTIL)
        people, places = tallies.sources(connection, _LATEST)
        return _unused(settings.homeserver, mailed, registered) + _in_one_place(people, places)

    try:
        return await database.read(read)
    except SQLAlchemyError:
        return []  # one of another version, or none: told elsewhere
    finally:
        await database.close()


def _unused(homeserver: Homeserver, mailed: int, registered: int) -> list[Finding]:
    if mailed < _ENOUGH or registered:
        return []
    text = (
        f"homeserver.{homeserver.way}: {mailed} people were mailed a token within"
        f" {_SINCE.days} days, and no account was seen; make sure that the tokens reach the"
        " homeserver: open an account with one of them"
    )
    return [Finding(text, is_warning=True)]


def _in_one_place(people: int, places: int) -> list[Finding]:
    if people < _PEOPLE or places > 1:
        return []
    text = (
        f"web.trusted_proxies: the last {people} people all came from one address, so limits and"
        " bans hit everybody; name your reverse proxy there, and let it say who comes"
        " (web.forwarded)"
    )
    return [Finding(text, is_warning=True)]
