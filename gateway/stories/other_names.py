"""The story of an applicant who registers another name than he asked for.

His own token is used up, and the name that he asked for is still free. The account is the one that
appeared within the token's time, by its network where several did.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import NameAvailability, Names
from gateway.store import accounts
from gateway.store.accounts import Sighting
from gateway.store.database import Database
from gateway.store.registrations import Registration, Status
from gateway.stories import strangers
from gateway.stories.linking import link
from gateway.stories.token_use import TokenUse

PATIENCE = timedelta(
    seconds=20
)  # within it the count of a token follows its account, or it the count
_CLOCKS = timedelta(minutes=5)  # so far the homeserver's clock may be from ours
_MOST = 200  # tokens asked for while an account waits for its owner

Pairs = Mapping[int, Sequence[Sighting]]


@dataclass(frozen=True, slots=True)
class Search:
    """What a look found: names that may be of some request, each with what may be said of it, and
    whether somebody's account is still to come."""

    maybe: Mapping[str, str]
    is_waiting: bool


class OtherNames:
    """Finds the accounts of those who used their token for another name."""

    def __init__(self, database: Database, names: Names, use: TokenUse, clock: Clock) -> None:
        self._database = database
        self._names = names
        self._use = use
        self._clock = clock
        self._since: dict[int, datetime] = {}  # when a request's token was first found used up
        self._after = 0  # the request asked for last while nothing is new

    async def look(self, waiting: Sequence[Registration], sightings: Sequence[Sighting]) -> Search:
        """Link those of the `sightings` that are of somebody who waits for another account.

        While there are none, one request's token is asked for in a look.
        """
        mailed = [each for each in waiting if each.status is Status.MAILED]
        has_news = bool(sightings) or bool(self._since)
        suspects = await self._suspects(self._asked(mailed, has_news), has_news)
        now = self._clock()
        self._since = {each.id: self._since.get(each.id, now) for each in suspects}
        if any(now - since < PATIENCE for since in self._since.values()):
            # His account may not be listed yet, and the one that is may be another's.
            return Search({}, is_waiting=True)
        candidates = pairs(suspects, sightings)
        maybe: dict[str, str] = {}
        for each in suspects:
            found = [sighting.name for sighting in candidates[each.id]]
            if self._is_only(each, candidates):
                give = partial(_give, registration=each, account=found[0], now=now)
                await self._database.write(give)
            else:
                maybe |= dict.fromkeys(found, f"maybe of request {each.id}")
                end = partial(_end, registration=each, candidates=found, now=now)
                await self._database.write(end)
        return Search(maybe, is_waiting=False)

    def _asked(self, mailed: Sequence[Registration], has_news: bool) -> list[Registration]:
        """Whose tokens are asked for: of many who wait the newest, or one who is next in turn."""
        if has_news:
            return [*mailed[:_MOST]]
        in_turn = sorted(mailed, key=lambda each: (each.id <= self._after, each.id))[:1]
        self._after = in_turn[0].id if in_turn else 0
        return in_turn

    async def _suspects(self, mailed: Sequence[Registration], has_news: bool) -> list[Registration]:
        """Those whose token is used up and whose own name is not there."""
        states = await self._use.of(mailed, costly=has_news)
        found = []
        for each in mailed:
            if each.id not in states or not states[each.id].is_used_up:
                continue
            if await self._names.availability(each.name) is NameAvailability.TAKEN:
                see = partial(accounts.seen, name=each.name, now=self._clock())
                await self._database.write(see)
            else:
                found.append(each)
        return found

    @staticmethod
    def _is_only(suspect: Registration, candidates: Pairs) -> bool:
        """Whether there is one account for him, and it may be nobody else's."""
        mine = candidates[suspect.id]
        claims = [number for number, theirs in candidates.items() if mine and mine[0] in theirs]
        return len(mine) == 1 and claims == [suspect.id]


def pairs(suspects: Sequence[Registration], sightings: Sequence[Sighting]) -> Pairs:
    """The accounts that may be of each request: those from its network, or all of its time."""
    found = {}
    for each in suspects:
        later = [one for one in sightings if one.at >= each.created_at - _CLOCKS]
        found[each.id] = [one for one in later if one.network == each.network] or later
    return found


def _give(connection: Connection, registration: Registration, account: str, now: datetime) -> None:
    if link(connection, registration, account, now):
        strangers.tell_other_name(connection, registration, account, (), now)


def _end(
    connection: Connection, registration: Registration, candidates: Sequence[str], now: datetime
) -> None:
    """He has an account, and nobody knows which."""
    if link(connection, registration, None, now):
        strangers.tell_other_name(connection, registration, None, candidates, now)
