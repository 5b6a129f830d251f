"""What the homeserver tells of the tokens that were mailed: asked sparingly, and never in vain."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import HomeserverError, TokenSource, TokenState
from gateway.store import home, tokens
from gateway.store.database import Database
from gateway.store.registrations import Registration
from gateway.store.tokens import IssuedToken

_AT_ONCE = 4
# By then the homeserver may find that a token is over, by its clock: some cannot tell that from one
# that is used up.
_CLOCKS = timedelta(minutes=5)


class TokenUse:
    """Asks how often tokens were used, where the homeserver counts that."""

    def __init__(self, database: Database, source: TokenSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock

    def is_told(self, *, costly: bool) -> bool:
        """Whether asking has any sense. By way of a room each question is a message there, which
        is `costly`."""
        abilities = self._source.abilities
        return abilities.counts_uses and (costly or not abilities.needs_room)

    async def of(
        self, registrations: Sequence[Registration], *, costly: bool = False
    ) -> dict[int, TokenState]:
        """How the requests' own tokens stand, by the requests' numbers, as far as it is told."""
        if not self.is_told(costly=costly):
            return {}
        numbers, by = [each.id for each in registrations], self._clock() + _CLOCKS
        own = await self._database.read(lambda c: _own(c, numbers, by))
        turns, is_away = asyncio.Semaphore(_AT_ONCE), False

        async def ask(token: IssuedToken) -> TokenState | None:
            nonlocal is_away
            async with turns:
                if is_away:
                    return None
                try:
                    return await self._source.state(token.value)
                except HomeserverError:
                    is_away = True  # one wait is enough
                    return None

        states = await asyncio.gather(*map(ask, own.values()))
        return {
            number: state for number, state in zip(own, states, strict=True) if state is not None
        }

    async def state(self, token: IssuedToken) -> TokenState | None:
        """How one token stands."""
        try:
            return await self._source.state(token.value) if self.is_told(costly=True) else None
        except HomeserverError:
            return None


def _own(connection: Connection, numbers: Sequence[int], by: datetime) -> dict[int, IssuedToken]:
    """The own tokens of requests that this homeserver issued, and still has `by` then."""
    since = home.since(connection)
    found = {number: tokens.of(connection, number) for number in numbers}
    return {
        number: token
        for number, token in found.items()
        if token is not None
        and token.issued_at is not None
        and (since is None or token.issued_at >= since)
        and tokens.still_works(connection, token.id, by)
    }
