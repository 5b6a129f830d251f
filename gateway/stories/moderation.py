"""The story of a ban: into its file and in force, written down with its author, and out again.

Safe to repeat: what is about to change is kept as an intent, then the files change, then the
intent becomes the audit's in one transaction. A command that a crash interrupted ends, when it is
carried out again, with its lines once in the file and once in the audit; where nobody repeats it,
`finish` does.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.bans import Ban, Kind, as_written, canonical, format_line, parse_line
from gateway.store import audit, intents
from gateway.store.audit import PORTER, Author, Entry
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database
from gateway.store.intents import Intent

_SAME_TIME = timedelta(minutes=1)
_log = structlog.get_logger(__name__)


class Moderation:
    """Bans and lifts bans for a moderator."""

    def __init__(self, database: Database, bans: BanFiles, clock: Clock = utc_now) -> None:
        self._database = database
        self._bans = bans
        self._clock = clock

    def draft(
        self,
        author: Author,
        values: Iterable[tuple[Kind, str]],
        *,
        until: datetime | None = None,
        reason: str = "",
        review: bool = False,
    ) -> list[Ban]:
        """The bans as they would be written. Raises ValueError for what cannot be banned."""
        now = self._clock().replace(microsecond=0)
        return [
            as_written(Ban(kind, canonical(kind, value), until, author.who, now, reason, review))
            for kind, value in values
        ]

    async def ban(self, author: Author, bans: Sequence[Ban]) -> list[Ban]:
        """Put bans in force; returns those that were new.

        Raises OSError when a file cannot be written: those of another kind may be in force.
        """
        done = await self.change(author, "ban", [(None, ban) for ban in bans])
        return [ban for _, ban in map(lines_of, done) if ban is not None]

    async def unban(self, author: Author, values: Sequence[tuple[Kind, str]]) -> list[Ban]:
        """Lift the bans on values; returns what their lines said.

        Raises ValueError with one sentence for what is no such value, OSError as above.
        """
        wanted = [(kind, canonical(kind, value)) for kind, value in values]
        standing = await self._bans.standing(wanted)
        done = await self.change(author, "unban", [(ban, None) for ban in standing])
        return [ban for ban, _ in map(lines_of, done) if ban is not None]

    async def expire(self) -> list[Ban]:
        """Take the bans whose time is over out of the files; returns them. Raises OSError."""
        over = await self._bans.expired(self._clock())
        done = await self.change(PORTER, "expire", [(ban, None) for ban in over])
        return [ban for ban, _ in map(lines_of, done) if ban is not None]

    async def change(
        self,
        author: Author,
        action: str,
        changes: Sequence[tuple[Ban | None, Ban | None]],
        undoes: Sequence[int | None] = (),
    ) -> list[Entry]:
        """Take the first of each pair out of its file and put the second in; returns what was done.

        What stands there already, or is gone already, is not done. Repeated with the same event, it
        ends what was begun then, whatever is wanted now. `undoes` are the numbers of the entries
        that are taken back, one for each change.
        """
        now = self._clock()
        numbers = undoes or [None] * len(changes)
        wanted = [
            replace(_entry(author, action, before, after, now), undoes=number)
            for (before, after), number in zip(changes, numbers, strict=True)
        ]

        def begin(connection: Connection) -> tuple[list[Entry], Intent | None, bool]:
            if author.event_id is not None:
                done = audit.of_event(connection, author.event_id)
                begun = intents.of_event(connection, author.event_id)
                if done or begun:
                    return done, begun, True
            return [], intents.form(connection, wanted, now) if wanted else None, False

        done, intent, again = await self._database.write(begin)
        if intent is None:
            return [entry for entry in done if entry.action == action]
        return await self._carry_out(intent, again=again)

    async def has_begun(self, author: Author) -> bool:
        """Whether a crash left something of what this event wanted."""
        event_id = author.event_id
        if event_id is None:
            return False
        return await self._database.read(lambda c: intents.of_event(c, event_id)) is not None

    async def finish(self) -> None:
        """End what processes that are gone have begun. Raises OSError."""
        now = self._clock()
        for intent in await self._database.read(lambda c: intents.left(c, now)):
            for entry in await self._carry_out(intent, again=True):
                _log.info("ban_change_finished", action=entry.action, subject=entry.subject)

    async def _carry_out(self, intent: Intent, *, again: bool) -> list[Entry]:
        done: list[Entry] = []
        try:
            for kind in dict.fromkeys(map(kind_of, intent.entries)):
                entries = [entry for entry in intent.entries if kind_of(entry) is kind]
                done += await self._rewrite(entries, again=again)
        except OSError:
            # What was told to have failed must not come into force by itself later.
            await self._settle(intent, done, again=again)
            raise
        return await self._settle(intent, done, again=again)

    async def _rewrite(self, entries: Sequence[Entry], *, again: bool) -> list[Entry]:
        """Change one file; returns the entries that are true now because of it.

        `again`: of what is there or gone already, the first attempt may be the cause.
        """
        pairs = [(entry, *lines_of(entry)) for entry in entries]
        going = [before for _, before, _ in pairs if before is not None]
        coming = [after for _, _, after in pairs if after is not None]
        gone = await self._bans.remove(going) if going else []
        new = await self._bans.add(coming) if coming else []
        if again:
            gone = going
            new = await self._bans.standing((ban.kind, ban.value) for ban in coming)
        changed = {(ban.kind, format_line(ban)) for ban in (*gone, *new)}
        return [
            entry
            for entry, before, after in pairs
            if all(
                (ban.kind, format_line(ban)) in changed
                for ban in (before, after)
                if ban is not None
            )
        ]

    async def _settle(self, intent: Intent, done: Sequence[Entry], *, again: bool) -> list[Entry]:
        """Write down what was done, unless somebody else who did or finished it did so."""

        def settle(connection: Connection) -> list[Entry]:
            if not intents.settle(connection, intent.id):
                return []
            return [
                replace(entry, id=audit.write(connection, entry))
                for entry in done
                if not (again and _is_told(connection, entry))
            ]

        return await self._database.write(settle)


def _is_told(connection: Connection, entry: Entry) -> bool:
    """Whether another process, which wanted the same at the same time, was quicker."""
    return any(
        (each.action, each.before, each.after) == (entry.action, entry.before, entry.after)
        and abs(each.at - entry.at) < _SAME_TIME
        for each in audit.about(connection, entry.subject)
    )


def kind_of(entry: Entry) -> Kind:
    """The kind of the ban that an entry is about."""
    return Kind(entry.subject.partition(" ")[0])


def lines_of(entry: Entry) -> tuple[Ban | None, Ban | None]:
    """The bans that stood and stand in a file, of an entry that is about one."""
    kind = kind_of(entry)
    before = parse_line(kind, entry.before) if entry.before else None
    return before, parse_line(kind, entry.after) if entry.after else None


def _entry(
    author: Author, action: str, before: Ban | None, after: Ban | None, now: datetime
) -> Entry:
    ban = after or before
    assert ban is not None
    return Entry(
        now,
        author.who,
        action,
        f"{ban.kind} {ban.value}",
        None if before is None else format_line(before),
        None if after is None else format_line(after),
        ban.reason or None,
        author.event_id,
    )
