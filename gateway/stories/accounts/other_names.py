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
from gateway.stories.accounts import strangers
from gateway.stories.accounts.linking import link
from gateway.stories.accounts.token_use import TokenUse

PATIENCE = timedelta(seconds=20)  # for a token's count and its account to follow each other
CLOCKS = timedelta(minutes=5)  # so far the homeserver's clock may be from ours
_LAST_CALL = timedelta(minutes=15)  # for an account to be listed or announced
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
        await self._find_used(mailed, has_news=bool(sightings))
        now = self._clock()
        if any(now - since < PATIENCE for since in self._since.values()):
            # His account may not be listed yet, and the one that is may be another's.
            return Search({}, is_waiting=True)
        suspects = [each for each in mailed if each.id in self._since]
        candidates = pairs(suspects, self._since, sightings)
        maybe: dict[str, str] = {}
        is_waiting = False
        for each in suspects:
            found = [sighting.name for sighting in candidates[each.id]]
            if not found and now - self._since[each.id] < _LAST_CALL:
                continue
            if not await self._is_free(each):
                is_waiting = True
            elif self._is_only(each, candidates):
                give = partial(_give, registration=each, account=found[0], now=now)
                await self._database.write(give)
            else:
                maybe |= dict.fromkeys(found, f"maybe of request {each.id}")
                end = partial(_end, registration=each, candidates=found, now=now)
                await self._database.write(end)
        return Search(maybe, is_waiting)

    async def _find_used(self, mailed: Sequence[Registration], *, has_news: bool) -> None:
        """Note whose tokens are used up: once it is, a token stays so and is asked for no more."""
        left = [each for each in mailed if each.id not in self._since]
        if has_news:
            left = left[:_MOST]
        else:
            left = sorted(left, key=lambda each: (each.id <= self._after, each.id))[:1]
            self._after = left[0].id if left else 0
        states = await self._use.of(left, costly=has_news)
        now, numbers = self._clock(), {each.id for each in mailed}
        used = {number: now for number, state in states.items() if state.is_used_up}
        self._since = {id: since for id, since in (self._since | used).items() if id in numbers}

    async def _is_free(self, suspect: Registration) -> bool:
        """Whether the name that he asked for is; if it is not, that account is his."""
        availability = await self._names.availability(suspect.name)
        if availability is NameAvailability.TAKEN:
            see = partial(accounts.seen, name=suspect.name, now=self._clock())
            await self._database.write(see)
        return availability is NameAvailability.FREE

    @staticmethod
    def _is_only(suspect: Registration, candidates: Pairs) -> bool:
        """Whether there is one account for him, and it may be nobody else's."""
        mine = candidates[suspect.id]
        claims = [number for number, theirs in candidates.items() if mine and mine[0] in theirs]
        return len(mine) == 1 and claims == [suspect.id]


def pairs(
    suspects: Sequence[Registration],
    used: Mapping[int, datetime],
    sightings: Sequence[Sighting],
) -> Pairs:
    """The accounts that may be of each request: those from its network, or all of its time.

    `used` says when the requests' tokens were found used up: no account was made with one later.
    """
    found = {}
    for each in suspects:
        end = used[each.id] + CLOCKS
        of_its_time = [
            one
            for one in sightings
            if one.at >= each.created_at - CLOCKS
            and (one.created_at is None or one.created_at <= end)
        ]
        near = [one for one in of_its_time if one.network == each.network]
        found[each.id] = near or of_its_time
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
