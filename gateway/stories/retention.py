"""The story of what is kept too long: found a little at a time, blanked or deleted, and gone.

One process at a time does it, in small changes with pauses between, so that nobody else who writes
waits for long. One that is stopped leaves the rest to the next.
"""

import asyncio
import os
import secrets
from collections import Counter
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.settings.settings import Settings
from gateway.store import facts, hits, leases, retention
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.store.retention import Stale
from gateway.stories.forgetting import SCRUB_OWED

_log = structlog.get_logger(__name__)

EVERY = 3600.0  # seconds between two rounds
_BREATH = 0.05  # seconds between two changes, for everybody else's
_LEASE = timedelta(minutes=5)  # longer than one change
# What was said in the room: what was done stands in the log.
_TALK = timedelta(days=30)
_REPLIES = timedelta(days=7)  # of the admin room; a wish that failed is repeated sooner


class Retention:
    """Keeps nothing for longer than the settings say."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        keyring: Keyring,
        bans: BanFiles,
        clock: Clock = utc_now,
        breath: float = _BREATH,
    ) -> None:
        kept, needed = settings.retention, settings.looks_back
        spans = {key: getattr(kept, key) for key in ("refused", "addresses", "ips", "networks")}
        # What a limit still counts is needed, whatever the settings say.
        self._spans = {key: span and max(span, needed) for key, span in spans.items()}
        self._spans |= {"audit": kept.audit, "alerts": kept.alerts}
        self._spans |= {"talk": _TALK, "replies": _REPLIES}
        self._database = database
        self._keyring = keyring
        self._bans = bans
        self._clock = clock
        self._breath = breath
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def run(self) -> None:
        """Look every hour, until cancelled."""
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                _log.warning("retention_interrupted", reason=complaint(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> dict[str, int]:
        """One round; returns how many rows of which kind were deleted or blanked.

        Nothing while another process is at it. Raises SQLAlchemyError.
        """
        if not await self._database.write(lambda c: self._take(c, self._clock())):
            return {}
        done: Counter[str] = Counter()
        try:
            for kind in retention.stale(self._spans, self._clock()):
                done[kind.what] += await self._purge(kind)
            done["hits"] += await self._drop_hits(self._clock() - _TALK)
        finally:
            await self._database.write(lambda c: leases.release(c, "retention", self._holder))
        found = {what: number for what, number in done.items() if number}
        is_owed = await self._database.read(lambda c: facts.recall(c, SCRUB_OWED) is not None)
        if (found or is_owed) and await self._database.scrub(anew=is_owed) and is_owed:
            await self._database.write(lambda c: facts.forget(c, SCRUB_OWED))
        if found:
            _log.info("kept_no_longer", **found)
        return found

    async def _purge(self, kind: Stale) -> int:
        after: int | None = 0
        count = 0
        while after is not None:
            numbers, after = await self._database.read(
                partial(retention.look, kind=kind, after=after)
            )
            if numbers:
                change = partial(self._change, kind=kind, numbers=numbers)
                count += await self._database.write(change)
                await asyncio.sleep(self._breath)
        return count

    def _change(self, connection: Connection, kind: Stale, numbers: list[int]) -> int:
        if not self._take(connection, self._clock()):
            return 0  # the machine slept, and another took over
        return retention.carry_out(connection, kind, numbers, self._pseudonym)

    async def _drop_hits(self, before: datetime) -> int:
        """Forget how often bans were met that stand in no file any more."""
        old = await self._database.read(lambda c: hits.before(c, before))
        gone = [(kind, value) for kind, value in old if not self._bans.book.holds(kind, value)]
        for start in range(0, len(gone), 100):
            part = gone[start : start + 100]
            await self._database.write(partial(hits.drop, bans=part))
            await asyncio.sleep(self._breath)
        return len(gone)

    def _take(self, connection: Connection, now: datetime) -> bool:
        return leases.take(connection, "retention", self._holder, now, _LEASE)

    def _pseudonym(self, email_key: str) -> str:
        return self._keyring.pseudonyms(email_key)[0]
