"""The story of an account that appeared: whose is it?

A request for its name has it. Else it may be of an applicant who took another name, or was opened
with a token that was given by hand; what is nobody's is told to the room.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import timedelta

from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import Account, AccountDirectory, HomeserverError, TokenState
from gateway.store import accounts, facts, registrations, tokens
from gateway.store.accounts import Sighting
from gateway.store.database import Database
from gateway.store.registrations import Registration, Status
from gateway.store.tokens import IssuedToken
from gateway.stories.accounts import strangers
from gateway.stories.accounts.linking import link
from gateway.stories.accounts.other_names import CLOCKS, PATIENCE, OtherNames
from gateway.stories.accounts.strangers import Stranger
from gateway.stories.accounts.token_use import TokenUse

_MOST = 500  # accounts in one look
_MOST_GIVEN = 20  # tokens given by hand that are asked for
_AT_ONCE = 4
_LONGEST_WAIT = timedelta(minutes=5)  # for somebody whose account is still to come


class Ownership:
    """Settles whose the accounts are that were seen."""

    def __init__(
        self,
        *,
        database: Database,
        directory: AccountDirectory,
        use: TokenUse,
        other_names: OtherNames,
        own: str,
        clock: Clock,
    ) -> None:
        self._database = database
        self._directory = directory
        self._use = use
        self._other_names = other_names
        self._own = own  # the bot's name, when its account is on this homeserver
        self._clock = clock

    async def look(self, waiting: Sequence[Registration]) -> None:
        """Settle what is known by now; `waiting` are the requests whose account may appear."""
        seen = await self._database.read(lambda c: accounts.to_settle(c, _MOST))
        by_name, others = await self._database.read(lambda c: self._sorted(c, seen))
        for sighting, claiming in by_name:
            await self._link(sighting, claiming)
        linked = {each.id for _, claiming in by_name for each in claiming}
        now = self._clock()
        ripe = [each for each in others if now - each.seen_at >= PATIENCE]
        people = await self._people(ripe)
        left = [each for each in waiting if each.id not in linked]
        search = await self._other_names.look(left, [sighting for sighting, _ in people])
        told = [
            (sighting, account)
            for sighting, account in people
            if not search.is_waiting or now - sighting.seen_at >= _LONGEST_WAIT
        ]
        if told:
            near = _near([sighting for sighting, _ in told], left)
            await self._report(told, near | dict(search.maybe))

    def _sorted(
        self, connection: Connection, seen: Sequence[Sighting]
    ) -> tuple[list[tuple[Sighting, list[Registration]]], list[Sighting]]:
        """Accounts with the requests that may have asked for them, and those that nobody did."""
        by_name, others = [], []
        for each in seen:
            asked = registrations.claiming(connection, each.name.lower())
            claiming = [one for one in asked if not _is_later(each, one)]
            if claiming and each.name != self._own:
                by_name.append((each, claiming))
            else:
                others.append(each)
        return by_name, others

    async def _link(self, sighting: Sighting, claiming: Sequence[Registration]) -> None:
        states = await self._use.of(claiming)
        # Of two who asked for the name in time it is his who used his token.
        mine = next((each for each in claiming if _is_used(states.get(each.id))), claiming[0])
        state, now = states.get(mine.id), self._clock()
        is_unused = state is not None and state.used == 0 and not _is_used(state)
        if is_unused and now - sighting.seen_at < PATIENCE:
            return  # the token's count follows in a moment

        def settle(connection: Connection) -> None:
            if not link(connection, mine, sighting.name, now):
                return
            if is_unused:
                strangers.tell_not_his(connection, mine, now)
            elif state is not None and state.used is not None and state.used > 1:
                strangers.tell_overused(connection, mine, state.used, now)

        await self._database.write(settle)

    async def _people(self, ripe: Sequence[Sighting]) -> list[tuple[Sighting, Account | None]]:
        """Those that are neither the bot nor a bridge's; the others are settled."""
        turns, is_away = asyncio.Semaphore(_AT_ONCE), False
        can_ask = self._directory.abilities.lists_accounts

        async def ask(each: Sighting) -> Account | None:
            nonlocal is_away
            async with turns:
                if not can_ask or is_away or each.name == self._own:
                    return None
                try:
                    return await self._directory.account(each.name)
                except HomeserverError:
                    is_away = True
                    return None

        asked = [*zip(ripe, await asyncio.gather(*map(ask, ripe)), strict=True)]
        if is_away:
            return []  # they are asked for in the next look
        nobody = [
            sighting.name
            for sighting, account in asked
            if sighting.name == self._own or (account is not None and account.is_application)
        ]
        if nobody:
            now = self._clock()
            await self._database.write(
                lambda c: [accounts.settle(c, name, now) for name in nobody] and None
            )
        return [(sighting, account) for sighting, account in asked if sighting.name not in nobody]

    async def _report(
        self, told: Sequence[tuple[Sighting, Account | None]], maybe: Mapping[str, str]
    ) -> None:
        given = await self._used_of_given()
        now = self._clock()

        def report(connection: Connection) -> None:
            of_token = _newly_used(connection, given)
            found = [
                Stranger(
                    sighting,
                    tuple(filter(None, (maybe.get(sighting.name, ""), *of_token))),
                    account is not None and account.is_admin,
                )
                for sighting, account in told
            ]
            strangers.report(connection, found, now)

        await self._database.write(report)

    async def _used_of_given(self) -> dict[int, int | None]:
        """The living tokens that were given by hand, and how many accounts each opened."""
        now = self._clock()
        given = await self._database.read(lambda c: tokens.given(c, now, _MOST_GIVEN))
        found = [each for each in given if each.issued_at is not None]
        states = await asyncio.gather(*map(self._use.state, found))
        return {
            token.id: None if state is None else _used(token, state)
            for token, state in zip(found, states, strict=True)
        }


def _is_later(sighting: Sighting, request: Registration) -> bool:
    """Whether an account was made when the request's own was there, whatever that one's name."""
    if request.registered_at is None or sighting.created_at is None:
        return False
    return request.account is None and sighting.created_at > request.registered_at + CLOCKS


def _near(sightings: Sequence[Sighting], waiting: Sequence[Registration]) -> dict[str, str]:
    """Who was mailed a token to the network from which an account was opened: the last of them."""
    mailed = {each.network: each.id for each in waiting[::-1] if each.status is Status.MAILED}
    return {
        each.name: f"maybe of request {mailed[each.network]}, from the same network"
        for each in sightings
        if each.network in mailed
    }


def _newly_used(connection: Connection, given: Mapping[int, int | None]) -> list[str]:
    """What may be said of accounts while tokens live that were given by hand: those that opened
    accounts since it was said last, and those of which it is not told."""
    said = []
    for number, used in given.items():
        key = f"token {number} used"
        if used is None or used > int(facts.recall(connection, key) or 0):
            said.append(f"maybe of token {number}")
        if used:
            facts.note(connection, key, str(used))
    return said


def _used(token: IssuedToken, state: TokenState) -> int | None:
    """How many accounts a token opened; some homeservers forget one that opened all it may."""
    return token.uses or 1 if state.is_used_up else state.used


def _is_used(state: TokenState | None) -> bool:
    return state is not None and (bool(state.used) or state.is_used_up)
