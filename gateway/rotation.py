"""The story of one token: made, put into force, mailed, replaced, taken back.

A token is in the database before the homeserver hears of it and leaves it the same way, so a
crash at any point is made good by the next process that looks.
"""

import asyncio
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.config import Settings
from gateway.homeserver.homeserver import HomeserverError, Token, TokenSource
from gateway.rules.tokens import Schedule, new_token
from gateway.store import alerts, audit, leases, outbox, registrations, tokens
from gateway.store.audit import PORTER, Author
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken

_log = structlog.get_logger(__name__)

_GLANCE = 1.0  # seconds between two looks
_LONGEST_PAUSE = 60.0  # seconds between two attempts while the homeserver is away
_LEASE = timedelta(minutes=2)  # longer than one rotation takes
_AT_ONCE = 4  # revocations under way
_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)  # the slot of a shared token that never rotates


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a forced rotation did: how many tokens could still be used, how many are out of force
    now (the others follow as soon as the homeserver answers), how many fresh mails are owed."""

    outstanding: int
    revoked: int
    mailed: int


class Rotation:
    """Gives out tokens and takes them back. `wake` is called when a mail is owed."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        source: TokenSource,
        schedule: Schedule | None,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._shared = settings.tokens.mode == "shared"
        self._valid_for = settings.tokens.valid_for
        self._overlap = settings.tokens.overlap
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._source = source
        self._schedule = schedule
        self._wake = wake
        self._clock = clock
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def token_for(self, registration_id: int) -> IssuedToken:
        """The token for one applicant's mail, in force. Raises HomeserverError."""
        if self._shared:
            current = await self._database.read(tokens.current_shared)
            if current is None:
                raise HomeserverError("the shared token is not in force yet")
            return current
        now = self._clock()
        token = await self._database.write(
            lambda c: tokens.prepare_own(
                c, registration_id, new_token(), now, now + self._valid_for
            )
        )
        if token.issued_at is None:
            await self._source.issue(Token(token.value, 1, token.expires_at))
            await self._database.write(lambda c: tokens.issued(c, token.id, now))
        return token

    def ends_at(self, token: IssuedToken) -> datetime | None:
        """Until when a token that is mailed now will work, as far as it is planned."""
        if token.registration_id is not None or self._schedule is None:
            return token.expires_at
        return self._schedule.next(self._clock()) + self._overlap

    async def run(self) -> None:
        """Rotate when it is due and take back what is over, until cancelled."""
        pause = _GLANCE
        while True:
            try:
                await self.look()
            except (HomeserverError, SQLAlchemyError) as error:
                if pause == _GLANCE:
                    await self._report_trouble(str(error))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause = _GLANCE
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Do what is due now: a rotation, also a missed one, then withdrawals.

        Raises HomeserverError.
        """
        now = self._clock()
        if self._shared:
            slot = _BEGINNING if self._schedule is None else self._schedule.slot(now)
            current = await self._database.read(tokens.current_shared)
            if (current is None or (current.slot or _BEGINNING) < slot) and await self._lease(now):
                try:
                    await self._replace(slot, PORTER, self._overlap)
                finally:
                    await self._database.write(
                        lambda c: leases.release(c, "rotation", self._holder)
                    )
        await self._withdraw(await self._database.read(lambda c: tokens.due(c, now)))

    async def rotate(self, author: Author) -> Rotated:
        """After a leak: end every token that may still open an account, and owe fresh mails.

        Raises HomeserverError when a shared token could not be replaced; then nothing changed.
        """
        now = self._clock()
        if self._shared:
            old = await self._replace(now, author, timedelta())
            if old is None:
                return Rotated(0, 0, 0)
            mailed = await self._database.write(lambda c: self._owe_again(c, [old], now))
            self._wake()
            return Rotated(1, 1, mailed)

        def end_all(connection: Connection) -> tuple[list[IssuedToken], int]:
            ended = tokens.outstanding(connection, now)
            for token in ended:
                tokens.withdraw(connection, token.id, now)
            mailed = self._owe_again(connection, ended, now)
            after = f"{len(ended)} outstanding, {mailed} mailed anew"
            audit.note(connection, author, "rotate", "tokens", now, after=after)
            return ended, mailed

        ended, mailed = await self._database.write(end_all)
        revoked = await self._withdraw(ended, patient=True)
        self._wake()
        return Rotated(len(ended), revoked, mailed)

    def _owe_again(self, connection: Connection, ended: list[IssuedToken], now: datetime) -> int:
        """Owe a mail to each applicant whose token ended before he used it."""
        owed = 0
        for token in ended:
            for registration_id in registrations.mailed_with(connection, token.id):
                if not outbox.is_owed(connection, registration_id):
                    outbox.owe(connection, registration_id, self._mail_domain, now)
                    owed += 1
        return owed

    async def _lease(self, now: datetime) -> bool:
        return await self._database.write(
            lambda c: leases.take(c, "rotation", self._holder, now, _LEASE)
        )

    async def _replace(
        self, slot: datetime, author: Author, overlap: timedelta
    ) -> IssuedToken | None:
        """Put the token of `slot` into the place of the present one, which is returned."""
        now = self._clock()

        def prepare(connection: Connection) -> tuple[IssuedToken, IssuedToken | None]:
            old = tokens.current_shared(connection)
            return tokens.prepare_shared(connection, slot, new_token(), now), old

        new, old = await self._database.write(prepare)
        if old is not None and old.id == new.id:
            return None
        gone = [] if old is None or overlap else [old.value]
        await self._source.issue(Token(new.value), instead_of=gone)

        def record(connection: Connection) -> None:
            tokens.issued(connection, new.id, now)
            if old is not None:
                tokens.withdraw(connection, old.id, now + overlap)
                if not overlap:
                    tokens.withdrawn(connection, old.id, now)
            text = f"The shared token was rotated at {now:%Y-%m-%d %H:%M} UTC by {author.who}"
            alerts.raise_alert(connection, "rotation", text, now)
            audit.note(connection, author, "rotate", "token", now, after=f"token {new.id}")

        await self._database.write(record)
        _log.info("token_rotated", token=new.id, by=author.who)
        return old

    async def _withdraw(self, ended: list[IssuedToken], *, patient: bool = False) -> int:
        """Take tokens from the homeserver; returns how many it has no more.

        `patient` leaves a failure to the next look; else it raises HomeserverError.
        """
        turns = asyncio.Semaphore(_AT_ONCE)

        async def take(token: IssuedToken) -> None:
            async with turns:
                await self._source.revoke(token.value)
                now = self._clock()
                await self._database.write(lambda c: tokens.withdrawn(c, token.id, now))

        outcomes = await asyncio.gather(*map(take, ended), return_exceptions=True)
        failures = [each for each in outcomes if isinstance(each, BaseException)]
        for failure in failures:
            if not isinstance(failure, HomeserverError):
                raise failure
        if failures and not patient:
            raise failures[0]
        return len(outcomes) - len(failures)

    async def _report_trouble(self, reason: str) -> None:
        now = self._clock()
        _log.error("tokens_stuck", reason=reason)
        text = f"Tokens cannot be rotated or taken back: {reason}"
        try:
            await self._database.write(
                lambda c: alerts.raise_alert(c, "rotation failed", text, now)
            )
        except SQLAlchemyError:
            _log.error("alert_lost", text=text)
