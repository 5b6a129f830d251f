"""The watch for accounts that appear on the homeserver.

Where it lists them, one question in a round tells of all that are new; where its admin room
announces them, the bot writes them down. Where that is not sure, the names are asked for that were
mailed, a few in a round: servers limit the rate. Whose an account is, `Ownership` finds out.
"""

import asyncio
import os
import secrets
from datetime import timedelta
from functools import partial

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import (
    AccountDirectory,
    HomeserverError,
    NameAvailability,
    Names,
    TokenSource,
)
from gateway.store import accounts, home, leases, registrations
from gateway.store.database import Database, complaint
from gateway.store.registrations import Registration
from gateway.stories.accounts.account_list import AccountList
from gateway.stories.accounts.other_names import OtherNames
from gateway.stories.accounts.ownership import Ownership
from gateway.stories.accounts.token_use import TokenUse

_log = structlog.get_logger(__name__)

EVERY = 10.0  # seconds between two rounds
_BREATH = 1.0  # seconds between two questions: servers limit their rate
_MOST = 1000  # registrations watched at a time; one round asks for twenty
_A_ROUND = 20
_LEASE = timedelta(seconds=EVERY + _A_ROUND * 10)


class AccountWatcher:
    """Finds accounts that were opened on the homeserver `home`, which is told by its settings.

    `own` is the bot's name, when it is a local one.
    """

    def __init__(
        self,
        *,
        database: Database,
        source: TokenSource,
        names: Names,
        directory: AccountDirectory,
        home: str,
        own: str,
        watched_for: timedelta,
        clock: Clock = utc_now,
        breath: float = _BREATH,
    ) -> None:
        self._database = database
        self._names = names
        self._directory = directory
        self._home = home
        self._watched_for = watched_for
        self._clock = clock
        self._breath = breath
        self._after = 0  # the number asked for last: a round goes on where the last one ended
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._list = AccountList(database, directory, clock)
        use = TokenUse(database, source, clock)
        self._ownership = Ownership(
            database=database,
            directory=directory,
            use=use,
            other_names=OtherNames(database, names, use, clock),
            own=own,
            clock=clock,
        )

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            try:
                await self.look()
            except SQLAlchemyError as error:
                _log.warning("accounts_not_watched", reason=complaint(error))
            await asyncio.sleep(EVERY)

    async def arrive(self) -> None:
        """Note which homeserver this is: of another one, neither tokens nor accounts are ours."""
        if await self._database.read(lambda c: home.is_new(c, self._home)):
            await self._database.write(lambda c: home.arrive(c, self._home, self._clock()))

    async def look(self) -> None:
        """One round; only one process at a time makes it."""
        await self.arrive()
        waiting = await self._waiting()
        lists = self._directory.abilities.lists_accounts
        if not (lists or waiting or await self._has_news()):
            return
        if not await self._database.write(
            lambda c: leases.take(c, "accounts", self._holder, self._clock(), _LEASE)
        ):
            return
        if lists:
            await self._read_list(waiting)
        if not lists or not self._list.is_timed:
            await self._ask_names(waiting)
        await self._ownership.look(await self._waiting())

    async def _waiting(self) -> list[Registration]:
        """The requests whose account may appear."""
        since = self._clock() - self._watched_for
        return await self._database.read(lambda c: registrations.awaiting_account(c, since, _MOST))

    async def _has_news(self) -> bool:
        return bool(await self._database.read(lambda c: accounts.to_settle(c, 1)))

    async def _read_list(self, waiting: list[Registration]) -> None:
        try:
            await self._list.read(waiting)
        except HomeserverError as error:
            _log.warning("accounts_not_listed", reason=str(error))  # the next round reads on

    async def _ask_names(self, waiting: list[Registration]) -> None:
        waiting.sort(key=lambda each: (each.id <= self._after, each.id))
        for registration in waiting[:_A_ROUND]:
            self._after = registration.id
            if await self._names.availability(registration.name) is NameAvailability.TAKEN:
                see = partial(accounts.seen, name=registration.name, now=self._clock())
                await self._database.write(see)
                _log.info("account_appeared", registration=registration.id)
            await asyncio.sleep(self._breath)
