"""The story of a ban: into its file and in force, written down with its author."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.bans import Ban, Kind, canonical, format_line
from gateway.store import audit
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database


class Moderation:
    """Bans and lifts bans for a moderator."""

    def __init__(self, database: Database, bans: BanFiles, clock: Clock = utc_now) -> None:
        self._database = database
        self._bans = bans
        self._clock = clock

    async def ban(
        self,
        author: Author,
        values: Sequence[tuple[Kind, str]],
        span: timedelta | None = None,
        reason: str = "",
    ) -> list[Ban]:
        """Ban values for `span`, or for good; returns the bans that were new.

        Raises ValueError with one sentence when one of the values cannot be banned, and then bans
        none; OSError when a file cannot be written: those of another kind may be in force.
        """
        now = self._clock().replace(microsecond=0)
        until = None if span is None else now + span
        wanted = [
            Ban(kind, canonical(kind, value), until, author.who, now, reason)
            for kind, value in values
        ]
        new: list[Ban] = []
        for each in dict.fromkeys(ban.kind for ban in wanted):
            fresh = await self._bans.add([ban for ban in wanted if ban.kind is each])
            await self._note(author, "ban", fresh)
            new += fresh
        return new

    async def unban(self, author: Author, kind: Kind, value: str) -> list[Ban]:
        """Lift the ban on a value; returns what its lines said, nothing when there was none.

        Raises ValueError with one sentence for what is no such value, OSError as above.
        """
        gone = await self._bans.remove(kind, canonical(kind, value))
        await self._note(author, "unban", gone)
        return gone

    async def _note(self, author: Author, action: str, bans: Sequence[Ban]) -> None:
        now = self._clock()

        def note(connection: Connection) -> None:
            for ban in bans:
                line = format_line(ban)
                before, after = (line, None) if action == "unban" else (None, line)
                subject = f"{ban.kind} {ban.value}"
                audit.note(
                    connection,
                    author,
                    action,
                    subject,
                    now,
                    before=before,
                    after=after,
                    reason=ban.reason or None,
                )

        if bans:
            await self._database.write(note)
