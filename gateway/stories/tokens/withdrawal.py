"""The end of a token's story: the homeserver is told, a few tokens at a time, until it has none."""

import asyncio
from collections import Counter
from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.homeserver.homeserver import HomeserverError, TokenSource, Unable
from gateway.store import alerts, tokens
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken

_AT_ONCE = 4  # revocations under way


class Withdrawal:
    """Takes tokens from the homeserver."""

    def __init__(self, database: Database, source: TokenSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._refused: Counter[int] = Counter()  # how often, by the tokens' numbers

    async def take(self, ended: Sequence[IssuedToken], *, patient: bool = False) -> int:
        """Take all that ended; returns how many the homeserver has no more.

        `patient` leaves a failure to the next look; else it raises HomeserverError.
        """
        turns = asyncio.Semaphore(_AT_ONCE)
        failures: list[HomeserverError | SQLAlchemyError] = []

        async def take(token: IssuedToken) -> bool:
            async with turns:
                if len(failures) >= _AT_ONCE:
                    return False  # the homeserver is away: a thousand waits would tell no more
                try:
                    return await self._take(token)
                except (HomeserverError, SQLAlchemyError) as error:
                    failures.append(error)
                    self._refused[token.id] += 1
                    return False

        # Some that it refuses for ever must not hold up all others.
        willing_first = sorted(ended, key=lambda each: self._refused[each.id])
        taken = sum(await asyncio.gather(*map(take, willing_first)))
        if failures and not patient:
            raise failures[0]
        return taken

    async def _take(self, token: IssuedToken) -> bool:
        """False when this homeserver can never do it: then it is the operator's, who is told."""
        stays = ""
        try:
            await self._source.revoke(token.value)
        except Unable as error:
            why = alerts.outside(str(error))
            stays = f"Token {token.id} is over and still opens accounts: {why}"

        def record(connection: Connection) -> None:
            now = self._clock()
            tokens.withdrawn(connection, token.id, now)
            if stays:
                alerts.raise_alert(connection, "token stays", stays, now)

        await self._database.write(record)
        return not stays
