"""The story of the guard: a token that nobody is told, on a homeserver that fails open.

A tuwunel asks nobody for a token while it has none (since 1.4.8, its `registration_tokens`
service), and those of applicants end. This one never does.
"""

import time

from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import Token, TokenSource
from gateway.rules.tokens import new_token
from gateway.store import home, tokens
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken

_EVERY = 600.0  # seconds between two looks: somebody may have deleted it, or restored a backup


class Guard:
    """Keeps the guard in force where one is needed."""

    def __init__(self, database: Database, source: TokenSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._rests_until = 0.0

    async def keep(self) -> None:
        """Put it into force, and look now and then that it is. Raises HomeserverError."""
        if not self._source.abilities.fails_open or time.monotonic() < self._rests_until:
            return
        token = await self._database.write(self._prepare)
        if token.issued_at is not None and (await self._source.state(token.value)).is_gone:
            await self._database.write(lambda c: tokens.withdrawn(c, token.id, self._clock()))
            token = await self._database.write(self._prepare)
        if token.issued_at is None:
            await self._put_in_force(token)
        self._rests_until = time.monotonic() + _EVERY

    async def _put_in_force(self, token: IssuedToken) -> None:
        issued = await self._source.issue(Token(token.value))
        now = self._clock()
        await self._database.write(
            lambda c: tokens.issued(c, token.id, issued.value, issued.link, now)
        )

    def _prepare(self, connection: Connection) -> IssuedToken:
        return tokens.prepare_guard(connection, new_token(), self._clock(), home.since(connection))
