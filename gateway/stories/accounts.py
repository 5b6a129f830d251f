"""The story's end: an account appears on the homeserver and is linked to its request."""

import asyncio
import os
import secrets
from datetime import timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import NameAvailability, Names
from gateway.store import audit, leases, outbox, registrations, tokens
from gateway.store.audit import PORTER
from gateway.store.database import Database, complaint
from gateway.store.registrations import Registration, Status
from gateway.stories.waiting import settle

_log = structlog.get_logger(__name__)

EVERY = 30.0  # seconds between two rounds
_BREATH = 1.0  # seconds between two questions: servers limit their rate
_MOST = 1000  # registrations watched at a time; one round asks for twenty
_A_ROUND = 20
_LEASE = timedelta(seconds=EVERY + _A_ROUND * 10)


class AccountWatcher:
    """Asks for names whose accounts may have been opened by now."""

    def __init__(
        self,
        *,
        database: Database,
        names: Names,
        watched_for: timedelta,
        clock: Clock = utc_now,
        breath: float = _BREATH,
    ) -> None:
        self._database = database
        self._names = names
        self._watched_for = watched_for
        self._clock = clock
        self._breath = breath
        self._after = 0  # the number asked for last: a round goes on where the last one ended
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                _log.warning("accounts_not_watched", reason=complaint(error))
            await asyncio.sleep(EVERY)

    async def look(self) -> None:
        """One round; only one process at a time makes it."""
        now = self._clock()
        since = now - self._watched_for
        waiting = await self._database.read(
            lambda c: registrations.awaiting_account(c, since, _MOST)
        )
        if not waiting or not await self._database.write(
            lambda c: leases.take(c, "accounts", self._holder, self._clock(), _LEASE)
        ):
            return
        waiting.sort(key=lambda each: (each.id <= self._after, each.id))
        for registration in waiting[:_A_ROUND]:
            self._after = registration.id
            if await self._names.availability(registration.name) is NameAvailability.TAKEN:
                await self._link(registration)
            await asyncio.sleep(self._breath)

    async def _link(self, registration: Registration) -> None:
        now = self._clock()

        def link(connection: Connection) -> None:
            if not registrations.registered(connection, registration.id, now):
                return
            subject = f"registration {registration.id}"
            audit.note(connection, PORTER, "account appeared", subject, now)
            if registration.status is Status.REVIEW:  # somebody opened it for him, by another way
                outbox.cancel(connection, registration.id)
                settle(connection, registration, "found registered", PORTER.who, now)
            own = tokens.of(connection, registration.id)
            if own is not None:
                tokens.withdraw(connection, own.id, now)

        await self._database.write(link)
        _log.info("account_appeared", registration=registration.id)
