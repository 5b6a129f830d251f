"""The story of a wish for an account: done by the homeserver at once, or as soon as it answers.

Any process may carry a wish out, more than once too: the homeserver does it again without harm, and
one of them writes down that it is done.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import (
    Account,
    AccountDirectory,
    HomeserverError,
    NotYet,
    Restriction,
    Unable,
)
from gateway.store import alerts, audit, outbox, restrictions, states
from gateway.store.alerts import outside
from gateway.store.audit import PORTER
from gateway.store.database import Database, complaint
from gateway.store.restrictions import Wish
from gateway.stories.accounts.linking import owner

_log = structlog.get_logger(__name__)

EVERY = 5.0  # seconds between two looks
_LONGEST_PAUSE = 60.0  # seconds between two attempts while the homeserver is away
_GRACE = timedelta(seconds=15)  # in which whoever gave the command has it done himself
_MOST_FAILURES = 4  # in one look: a hundred waits would tell no more
_STUCK = "accounts stuck"


class Enforcement:
    """Carries wishes out. `own` is the bot's name; `wake` is called when a mail is owed."""

    def __init__(
        self,
        *,
        database: Database,
        directory: AccountDirectory,
        own: str,
        mail_domain: str,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._directory = directory
        self._own = own
        self._mail_domain = mail_domain
        self._wake = wake
        self._clock = clock
        self._refused: Counter[int] = Counter()  # how often, by the wishes' numbers

    async def account(self, name: str) -> Account | None:
        """The account of that name. Raises Unable for one that must stay as it is: by it Porter
        itself works; else HomeserverError."""
        if name.lower() == self._own:
            raise Unable("that is the bot's own account")
        if name in await self._directory.own_names():
            raise Unable("by that account Porter asks the homeserver, or the homeserver speaks")
        return await self._directory.account(name)

    async def run(self) -> None:
        """Have done what could not be done at once, until cancelled."""
        pause, is_well = EVERY, False  # an alert of the last run may be open
        while True:
            try:
                is_done = await self.look()
                if not is_well:
                    await self._report_well()
            except (HomeserverError, SQLAlchemyError) as error:
                is_well = False
                if pause == EVERY:
                    await self._report_trouble(error)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                pause, is_well = EVERY if is_done else min(pause * 2, _LONGEST_PAUSE), True
            await asyncio.sleep(pause)

    async def look(self) -> bool:
        """One attempt at each wish that is left; False when one of them is ordered, and not done.

        Raises HomeserverError, the first there was.
        """
        now = self._clock()
        left = await self._database.read(restrictions.unfulfilled)
        failures: list[HomeserverError] = []
        is_done = True
        # Some that it refuses for ever must not hold up all others.
        for wish in sorted(left, key=lambda each: self._refused[each.id]):
            if timedelta() <= now - wish.at < _GRACE or len(failures) >= _MOST_FAILURES:
                continue
            try:
                if await self.fulfil(wish):
                    await self._tell(wish, "")
            except Unable as error:
                if await self.give_up(wish, str(error)):
                    await self._tell(wish, str(error))
            except NotYet:
                is_done = False
            except HomeserverError as error:
                failures.append(error)
                self._refused[wish.id] += 1
        if failures:
            raise failures[0]
        return is_done

    async def fulfil(self, wish: Wish) -> bool:
        """Have the homeserver do one wish; False when somebody did before, or wants another thing.

        Raises HomeserverError, Unable when it never can.
        """
        restriction = Restriction(wish.restriction)
        if await self.account(wish.account) is None:
            raise Unable("there is no such account")
        if wish.lifts:
            await self._directory.lift(wish.account, restriction)
        else:
            await self._directory.restrict(wish.account, restriction)
        now = self._clock()
        is_ours, is_owed = await self._database.write(lambda c: self._done(c, wish, now))
        if is_owed:
            self._wake()
        _log.info("account_changed", entry=wish.entry, restriction=restriction, lifted=wish.lifts)
        return is_ours

    async def give_up(self, wish: Wish, reason: str) -> bool:
        """It can never be done: write that down; False when somebody did so before."""

        def drop(connection: Connection) -> bool:
            now = self._clock()
            if not restrictions.drop(connection, wish.id, now):
                return False
            subject = f"account {wish.account}"
            audit.note(connection, PORTER, "not done", subject, now, reason=reason)
            return True

        return await self._database.write(drop)

    def _done(self, connection: Connection, wish: Wish, now: datetime) -> tuple[bool, bool]:
        """Whether it was for us to say so, and whether a mail is owed now."""
        if not restrictions.done(connection, wish.id, now):
            # Something else was wanted meanwhile, and may have been done before this.
            restrictions.want_again(connection, wish)
            return False, False
        mine = owner(connection, wish.account) if wish.tells else None
        if mine is None or mine.is_forgotten:
            return True, False
        entry = audit.get(connection, wish.entry)
        reason = None if entry is None else entry.reason
        kind = "freed" if wish.lifts else wish.restriction
        outbox.owe(connection, mine.id, self._mail_domain, now, kind, reason)
        return True, True

    async def _tell(self, wish: Wish, fault: str) -> None:
        """The room heard that it would be done later."""
        now, name = self._clock(), outside(f"@{wish.account}")
        done = f"not {wish.restriction} any more" if wish.lifts else wish.restriction
        text = f"The account {name} is {done}, as was asked for in entry {wish.entry}"
        if fault:
            text = f"What entry {wish.entry} asks for {name} cannot be done: {outside(fault)}"
        cause = f"account {wish.account}"
        await self._database.write(lambda c: alerts.raise_alert(c, cause, text, now))

    async def _report_trouble(self, error: HomeserverError | SQLAlchemyError) -> None:
        reason = complaint(error) if isinstance(error, SQLAlchemyError) else str(error)
        _log.error("accounts_stuck", reason=reason)
        text = f"Accounts cannot be restricted or set free: {outside(reason)}"
        now = self._clock()
        try:
            await self._database.write(lambda c: states.begin(c, _STUCK, text, now))
        except SQLAlchemyError:
            _log.error("alert_lost", text=text)

    async def _report_well(self) -> None:
        now = self._clock()
        text = "Accounts are restricted and set free again"
        await self._database.write(lambda c: alerts.end(c, _STUCK, now, text))
