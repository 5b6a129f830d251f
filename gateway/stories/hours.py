"""The story of the desk's hours: open, paused by a moderator, or closed before a rotation."""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.opening import Opening
from gateway.rules.tokens import Schedule
from gateway.settings.settings import Settings
from gateway.store import audit, facts
from gateway.store.audit import Author, Entry
from gateway.store.database import Database

_PAUSE = "pause"
_GLANCE = timedelta(seconds=1)  # how long the page may show what was read
_STALE = timedelta(seconds=3)  # beyond, everybody waits until it is read anew


def schedule_of(settings: Settings) -> Schedule | None:
    """When the shared token rotates; None where there is none, or it never changes."""
    tokens = settings.tokens
    fixed = settings.homeserver.kind == "static"
    if not settings.shares_token or tokens.rotation is None or fixed:
        return None
    return Schedule(tokens.rotation, tokens.downtime)


class Hours:
    """Says whether the desk is open, and lets moderators close it. Without `schedule`: always."""

    def __init__(
        self, database: Database, schedule: Schedule | None, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._schedule = schedule
        self._clock = clock
        self._pause: str | None = None
        self._read_at: datetime | None = None

    async def opening(self) -> Opening:
        """The desk's state, a second old, or at most three while somebody else reads it.

        Raises sqlalchemy's DBAPIError.
        """
        now = self._clock()
        before = self._read_at
        age = None if before is None else now - before
        if age is None or not timedelta() <= age < _GLANCE:
            if age is not None and timedelta() <= age < _STALE:
                self._read_at = now  # in a rush all would ask: whoever comes meanwhile need not
            try:
                self._pause = await self._database.read(lambda c: facts.recall(c, _PAUSE))
            except SQLAlchemyError:
                self._read_at = before
                raise
            self._read_at = now
        return self._judge(self._pause, now)

    def standing(self, connection: Connection, now: datetime) -> Opening:
        """The desk's state inside the transaction that decides on a request."""
        return self._judge(facts.recall(connection, _PAUSE), now)

    async def pause(
        self, author: Author, span: timedelta | None, message: str | None = None
    ) -> Opening:
        """Close the desk for `span`, or until somebody resumes it."""
        now = self._clock()
        until = None if span is None else now + span
        kept = json.dumps({"until": until and until.isoformat(), "message": message})
        await self._database.write(lambda c: self._change(c, author, "pause", kept, now))
        self._read_at = None
        return Opening(False, until, message)

    async def resume(self, author: Author) -> bool:
        """Open the desk again; False when it was not paused."""
        now = self._clock()

        def reopen(connection: Connection) -> bool:
            was_paused = self._is_paused(facts.recall(connection, _PAUSE), now)
            if was_paused:
                self._change(connection, author, "resume", None, now)
            return was_paused

        was_paused = await self._database.write(reopen)
        self._read_at = None
        return was_paused

    async def put_back(self, author: Author, entry: Entry) -> Entry:
        """Pause or open as it was before `entry`, which the audit has of one of the two.

        Raises ValueError with one sentence when the desk does not stand as `entry` left it.
        """
        now = self._clock()

        def put(connection: Connection) -> Entry:
            pause = facts.recall(connection, _PAUSE)
            stands = _told(pause if self._is_paused(pause, now) else None)
            if audit.undoing(connection, entry.id) is not None or stands != entry.after:
                raise ValueError(f"Entry {entry.id} is left alone: the desk is {stands} now.")
            wanted = _read(entry.before or "")
            if wanted is not None and not self._is_paused(wanted, now):
                raise ValueError(f"The pause before entry {entry.id} would be over by now.")
            return self._change(connection, author, "undo", wanted, now, undoes=entry.id)

        done = await self._database.write(put)
        self._read_at = None
        return done

    def _change(
        self,
        connection: Connection,
        author: Author,
        action: str,
        pause: str | None,
        now: datetime,
        undoes: int | None = None,
    ) -> Entry:
        was = facts.recall(connection, _PAUSE)
        before, after = _told(was if self._is_paused(was, now) else None), _told(pause)
        if pause is None:
            facts.forget(connection, _PAUSE)
        else:
            facts.note(connection, _PAUSE, pause)
        number = audit.note(
            connection, author, action, "desk", now, before=before, after=after, undoes=undoes
        )
        done = audit.get(connection, number)
        assert done is not None
        return done

    def _judge(self, pause: str | None, now: datetime) -> Opening:
        scheduled = Opening(True) if self._schedule is None else self._schedule.opening(now)
        if not self._is_paused(pause, now):
            return scheduled
        kept = json.loads(pause or "{}")
        until = kept["until"] and datetime.fromisoformat(kept["until"])
        paused = Opening(False, until, kept["message"])
        if until is not None and self._schedule is not None:
            # A pause that ends within a downtime goes on as one.
            then = self._schedule.opening(until)
            if not then.is_open:
                paused = replace(paused, changes_at=then.changes_at)
        return paused

    @staticmethod
    def _is_paused(pause: str | None, now: datetime) -> bool:
        if pause is None:
            return False
        until = json.loads(pause)["until"]
        return until is None or datetime.fromisoformat(until) > now


def _told(pause: str | None) -> str:
    """A pause in words that can be read back: `paused until 2026-12-01T12:00:00+00:00: moving`."""
    if pause is None:
        return "open"
    kept = json.loads(pause)
    until = f" until {kept['until']}" if kept["until"] else ""
    return f"paused{until}" + (f": {kept['message']}" if kept["message"] else "")


def _read(told: str) -> str | None:
    state, _, message = told.partition(": ")
    if state == "open":
        return None
    until = state.removeprefix("paused").removeprefix(" until ")
    return json.dumps({"until": until or None, "message": message or None})
