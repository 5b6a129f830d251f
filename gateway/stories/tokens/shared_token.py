"""The story of the shared token: the one of each slot, put into the place of the one before.

Whatever process finds a slot without its token makes it; a lease lets one do it at a time, and a
token that was written down but never confirmed is put into force by whoever finds it.
"""

import asyncio
import math
import os
import secrets
import time
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.homeserver.homeserver import (
    HomeserverError,
    NotYet,
    Token,
    TokenSource,
    Unable,
)
from gateway.rules.tokens import Schedule, new_token
from gateway.store import alerts, audit, leases, outbox, restored, tokens
from gateway.store.audit import PORTER
from gateway.store.database import Database, complaint
from gateway.store.tokens import IssuedToken

_log = structlog.get_logger(__name__)

_LEASE = timedelta(minutes=2)  # longer than one rotation takes
_TRIES, _TRY_PAUSE = 50, 0.1  # how often, and seconds between, while another one rotates
_ANOTHER = (
    "mails carry another one from now on. Whoever was mailed the one before and has no account"
    " needs a new mail; `unfulfilled` lists them"
)
_EVERY = 600.0  # seconds between two looks when nothing is mailed
_FRESH = 10.0  # seconds for which the homeserver's word on the present token is good
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # the slot of a shared token that never rotates


class SharedToken:
    """Keeps the shared token in step with its schedule; without one it never changes."""

    def __init__(
        self,
        *,
        database: Database,
        source: TokenSource,
        schedule: Schedule | None,
        overlap: timedelta,
        clock: Clock,
    ) -> None:
        self._database = database
        self._source = source
        self._schedule = schedule
        self._overlap = overlap
        self._clock = clock
        self._turn = asyncio.Lock()  # the lease holds off other processes, this our own tasks
        self._is_settled = False  # a restart may bring another token in the configuration
        self._is_lost = False  # the homeserver has the present token no more
        self._seen, self._seen_until = 0, 0.0  # which token it had, and how long that is trusted
        self._rests_until = 0.0
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def in_force(self) -> IssuedToken:
        """The token that goes into mails now. Raises HomeserverError when there is none yet, or
        the homeserver does not say whether it still has it."""
        for _ in range(_TRIES):
            current, is_due = await self._database.read(
                lambda c: (tokens.current_shared(c), self.is_due(c, self._clock()))
            )
            # Without an overlap the present one is out of force by now, or will be in a moment.
            if current is not None and (not is_due or self._overlap):
                if not self._source.abilities.needs_room:  # else each question is a message there
                    await self._look_for(current)
                if not self._is_lost:
                    return current
            # A rotation is due or under way, or the desk has just started: it takes a moment.
            await asyncio.sleep(_TRY_PAUSE)
        raise NotYet("the shared token is not in force yet")

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Whether a token is missing, or was written down and never put into force."""
        if not self._source.abilities.replaces_tokens:
            return not self._is_settled
        unfinished = tokens.unfinished_shared(connection) is not None
        return unfinished or self._slot_due(connection, now) is not None

    def ends_at(self) -> datetime | None:
        """Until when the present token is planned to work."""
        if self._schedule is None:
            return None
        return self._schedule.next(self._clock()) + self._overlap

    async def settle(self) -> None:
        """Now and then find out whether the homeserver has the present token at all.

        It has not when it is another one than before, or its backup was restored; then a fresh one
        is due.
        """
        if not self._is_lost and time.monotonic() < self._rests_until:
            return
        current = await self._database.read(tokens.current_shared)
        try:
            if current is not None:
                await self._look_for(current)
        except HomeserverError:
            return  # it is asked again; that it is away is told by others

        def make_anew(connection: Connection) -> None:
            now = self._clock()
            if current is None or not tokens.still_works(connection, current.id, now):
                return  # another process was faster
            tokens.withdraw(connection, current.id, now)
            if tokens.unfinished_shared(connection) is None:
                slot = tokens.free_slot(connection, now, now)
                tokens.prepare_shared(connection, slot, new_token(), now)
            # What was taken from it since is back, if an earlier state of it is.
            restored.doubt_withdrawals(connection, now)
            text = f"The homeserver has the shared token no more: {_ANOTHER}"
            alerts.raise_alert(connection, "token lost", text, now)

        if self._is_lost:
            await self._database.write(make_anew)
        self._is_lost = False
        once = self._source.abilities.needs_room
        self._rests_until = math.inf if once else time.monotonic() + _EVERY

    async def _look_for(self, current: IssuedToken) -> None:
        """Ask for the present token, unless it was seen a moment ago. Raises HomeserverError."""
        if not self._source.abilities.replaces_tokens:
            return  # it would not know another one
        if self._seen != current.id or time.monotonic() >= self._seen_until:
            self._is_lost = (await self._source.state(current.value)).is_gone
            self._seen, self._seen_until = current.id, time.monotonic() + _FRESH

    async def replace_soon(self) -> None:
        """Try for a moment to put a prepared token into force; else a later look does it."""
        for _ in range(_TRIES):
            try:
                if await self.replace():
                    return
            except (HomeserverError, SQLAlchemyError) as error:
                _log.warning("token_not_replaced_yet", reason=_reason(error))
                return
            await asyncio.sleep(_TRY_PAUSE)

    async def replace(self) -> bool:
        """Put the shared token that is due into force; False when another process is at it."""
        async with self._turn:
            if not await self._database.write(
                lambda c: leases.take(c, "rotation", self._holder, self._clock(), _LEASE)
            ):
                return False
            try:
                if self._source.abilities.replaces_tokens:
                    await self._put_in_force()
                else:
                    await self._adopt()
            finally:
                await self._database.write(lambda c: leases.release(c, "rotation", self._holder))
        return True

    async def _put_in_force(self) -> None:
        def prepare(connection: Connection) -> tuple[IssuedToken | None, list[IssuedToken]]:
            now = self._clock()
            new = tokens.unfinished_shared(connection)
            slot = None if new else self._slot_due(connection, now)
            if slot is not None:
                slot = tokens.free_slot(connection, slot, now)
                new = tokens.prepare_shared(connection, slot, new_token(), now)
            left = tokens.shared_left(connection)
            over = (each for each in left if each.withdraw_at and each.withdraw_at <= now)
            return new, [*over] if self._overlap else [e for e in left if new and e.id != new.id]

        new, gone = await self._database.write(prepare)
        if new is None:
            return
        wish = Token(new.value)
        try:
            issued = await self._source.issue(wish, instead_of=[each.value for each in gone])
        except Unable:  # one of them stays; whoever withdraws what is due says so
            issued, gone = await self._source.issue(wish), []

        def record(connection: Connection) -> None:
            now = self._clock()
            is_first = tokens.current_shared(connection) is None and not gone
            tokens.issued(connection, new.id, issued.value, issued.link, now)
            tokens.supersede(connection, new.id, now + self._overlap)
            outbox.hurry(connection, None, now)
            for token in gone:
                tokens.withdrawn(connection, token.id, now)
            what = "The first shared token is" if is_first else "A new shared token is"
            text = f"{what} in force since {now:%Y-%m-%d %H:%M} UTC"
            alerts.raise_alert(connection, "rotation", text, now)
            audit.note(connection, PORTER, "rotate", "token", now, after=f"token {new.id}")

        await self._database.write(record)
        _log.info("token_in_force", token=new.id)

    async def _adopt(self) -> None:
        """Take over the homeserver's own fixed token, and let the one before be over."""
        issued = await self._source.issue(Token(new_token()))  # whatever is wished for

        def adopt(connection: Connection) -> None:
            now, before = self._clock(), tokens.current_shared(connection)
            if before is not None and before.value == issued.value:
                return
            token = tokens.adopt_shared(connection, issued.value, now)
            tokens.supersede(connection, token.id, now)
            for each in tokens.shared_left(connection):
                if each.id != token.id:
                    tokens.withdrawn(connection, each.id, now)
            if before is not None:
                text = f"The homeserver's fixed token has changed: {_ANOTHER}"
                alerts.raise_alert(connection, "token changed", text, now)
            audit.note(connection, PORTER, "rotate", "token", now, after=f"token {token.id}")

        await self._database.write(adopt)
        self._is_settled = True

    def _slot_due(self, connection: Connection, now: datetime) -> datetime | None:
        """The slot whose token is missing."""
        current = tokens.current_shared(connection)
        made_for = None if current is None else current.slot or _BEGINNING
        if self._schedule is None:
            return _BEGINNING if made_for is None else None
        slot = self._schedule.slot(now)
        if made_for is not None and made_for > slot:
            # Made by command within this slot; or when the clock was far ahead.
            return slot if made_for > self._schedule.next(now) else None
        return slot if made_for != slot else None


def _reason(error: HomeserverError | SQLAlchemyError) -> str:
    return complaint(error) if isinstance(error, SQLAlchemyError) else str(error)
