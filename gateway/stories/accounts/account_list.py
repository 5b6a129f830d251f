"""The homeserver's list of accounts, read on from where the last look ended.

How far it was read is told in the homeserver's own time, and outlives a restart. What is there at
the first look is nobody's news, but for the accounts that somebody waits for.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import Account, AccountDirectory
from gateway.store import accounts, facts, home
from gateway.store.database import Database
from gateway.store.registrations import Registration

_MOST = 10_000  # accounts in one look
# Read anew each time: accounts that were under way at the last look, or made by a clock that was
# set back since. Those that are known already cost nothing.
_OVERLAP = timedelta(hours=1)
_REST = timedelta(minutes=10)
_BEGINNING = datetime(1970, 1, 2, tzinfo=UTC)
_AT_ONCE = 500  # names in one question to the database


class AccountList:
    """Reads what is new in the list.

    A homeserver that does not tell when accounts were made lists all of them each time, which is
    asked for seldom.
    """

    def __init__(self, database: Database, directory: AccountDirectory, clock: Clock) -> None:
        self._database = database
        self._directory = directory
        self._clock = clock
        self._rests_until: datetime | None = None

    @property
    def is_timed(self) -> bool:
        """Whether each look tells of all that is new."""
        return self._rests_until is None

    async def read(self, waiting: Sequence[Registration]) -> None:
        """Record the new accounts; `waiting` are the requests whose accounts may be among those
        that were there before. Raises HomeserverError."""
        now = self._clock()
        if self._rests_until is not None and now < self._rests_until <= now + _REST:
            return
        kept = await self._database.read(lambda c: facts.recall(c, home.ACCOUNTS_READ))
        found = await (self._begin(waiting) if kept is None else self._read_on(kept))
        is_timed = all(each.created_at is not None for each in found)
        self._rests_until = None if is_timed else now + _REST

    async def _read_on(self, kept: str) -> list[Account]:
        mark = datetime.fromisoformat(kept)
        found = await self._directory.newest(mark - _OVERLAP, _MOST)
        new = await self._database.read(lambda c: _unknown(c, found))
        ahead = self._end_of(found, mark)
        if new or ahead != mark:
            await self._database.write(lambda c: self._record(c, new, ahead))
        return found

    async def _begin(self, waiting: Sequence[Registration]) -> list[Account]:
        newest = await self._directory.newest(None, 1)
        mark = self._end_of(newest, _BEGINNING) if newest else self._clock()
        asked = [each.created_at for each in waiting]
        found = await self._directory.newest(min([mark, *asked]) - _OVERLAP, _MOST)
        wanted = {each.name for each in waiting}

        def begin(connection: Connection) -> None:
            self._record(connection, found, mark)
            for each in found:
                if each.name.lower() not in wanted:
                    accounts.settle(connection, each.name, self._clock())

        await self._database.write(begin)
        return found

    def _record(self, connection: Connection, found: Sequence[Account], mark: datetime) -> None:
        now = self._clock()
        for each in found:
            accounts.seen(connection, each.name, now, each.created_at)
        facts.note(connection, home.ACCOUNTS_READ, mark.isoformat())

    def _end_of(self, found: Sequence[Account], mark: datetime) -> datetime:
        """How far the list is read: never ahead of our clock, whatever a wrong one wrote there."""
        made = [each.created_at for each in found if each.created_at is not None]
        return min(max([mark, *made]), self._clock())


def _unknown(connection: Connection, found: Sequence[Account]) -> list[Account]:
    """Those of the accounts that were not seen before."""
    names = [each.name for each in found]
    known: set[str] = set()
    for start in range(0, len(names), _AT_ONCE):
        known |= accounts.known(connection, names[start : start + _AT_ONCE])
    return [each for each in found if each.name not in known]
