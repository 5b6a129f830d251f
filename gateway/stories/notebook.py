"""The story of a note that moderators write for each other, on a registration or a ban."""

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.bans import Kind, canonical
from gateway.store import audit, notes, registrations
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database

_LONGEST = 1000  # characters of one note


class Notebook:
    """Writes notes; what is written stays."""

    def __init__(self, database: Database, bans: BanFiles, clock: Clock = utc_now) -> None:
        self._database = database
        self._bans = bans
        self._clock = clock

    async def on_registration(self, author: Author, number: int, text: str) -> None:
        """Raises ValueError with one sentence when there is no such registration."""

        def check(connection: Connection) -> None:
            if registrations.get(connection, number) is None:
                raise ValueError(f"There is no registration {number}.")

        await self._database.read(check)
        await self._write(author, f"registration {number}", text)

    async def on_ban(self, author: Author, kind: Kind, value: str, text: str) -> None:
        """Raises ValueError with one sentence for what is not, and was never banned."""
        value = canonical(kind, value)
        subject = f"{kind} {value}"
        was_banned = await self._database.read(lambda c: audit.about(c, subject))
        if not was_banned and not self._bans.book.holds(kind, value):
            raise ValueError(f"There is no {kind} ban on {value}.")
        await self._write(author, subject, text)

    async def _write(self, author: Author, subject: str, text: str) -> None:
        text = text.strip()
        if not text or len(text) > _LONGEST:
            raise ValueError(f"A note has 1 to {_LONGEST} characters.")
        now = self._clock()

        def write(connection: Connection) -> None:
            notes.add(connection, subject, author.who, text, now)
            audit.note(connection, author, "note", subject, now, after=text)

        await self._database.write(write)
