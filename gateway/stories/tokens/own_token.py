"""The story of an applicant's own token: made once, in force before it is mailed, each time.

What was issued before may be gone: the homeserver is another one, somebody deleted it there, or a
backup was restored. So it is asked for before it goes into another mail.
"""

from dataclasses import replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import HomeserverError, Token, TokenSource
from gateway.rules.tokens import new_token
from gateway.store import home, registrations, tokens
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken
from gateway.stories.accounts.linking import link

_log = structlog.get_logger(__name__)


class OwnToken:
    """Gives each applicant the token that is his."""

    def __init__(
        self, database: Database, source: TokenSource, valid_for: timedelta, clock: Clock
    ) -> None:
        self._database = database
        self._source = source
        self._valid_for = valid_for
        self._clock = clock

    async def of(self, registration_id: int) -> IssuedToken | None:
        """His token, in force. None when he has used it: then he has his account, and the request
        is over. Raises HomeserverError."""
        now = self._clock()

        def prepare(connection: Connection) -> tuple[IssuedToken, datetime | None, bool]:
            ends = now + self._valid_for
            own = tokens.prepare_own(connection, registration_id, new_token(), now, ends)
            asked = registrations.get(connection, registration_id)
            was_mailed = asked is not None and asked.mailed_at is not None
            return own, home.since(connection), was_mailed

        token, since, was_mailed = await self._database.write(prepare)
        # A homeserver that came after the token has never heard of it.
        if token.issued_at is None or (since is not None and token.issued_at < since):
            return await self._put_in_force(token)
        if self._source.abilities.needs_room:
            return token  # each question would be a message there
        state = await self._source.state(token.value)
        # Some forget a token that is used up; one that nobody was mailed cannot be.
        if state.is_gone and not (state.is_used_up and was_mailed):
            _log.warning("token_lost", token=token.id)
            return await self._put_in_force(token)
        if state.is_used_up:
            await self._database.write(lambda c: self._end(c, registration_id))
            return None
        return token

    async def is_used(self, registration_id: int) -> bool:
        """Whether he has used one, as far as it is told. Raises HomeserverError."""
        own = await self._database.read(lambda c: tokens.of(c, registration_id))
        if own is None or own.issued_at is None or self._source.abilities.needs_room:
            return False
        return (await self._source.state(own.value)).is_used_up

    async def _put_in_force(self, token: IssuedToken) -> IssuedToken:
        issued = await self._source.issue(Token(token.value, 1, token.expires_at))
        now = self._clock()
        if not await self._database.write(
            lambda c: tokens.came_into_force(c, token.id, issued.value, issued.link, now)
        ):
            raise HomeserverError("the token was withdrawn before it was in force")
        return replace(token, value=issued.value, link=issued.link)

    def _end(self, connection: Connection, registration_id: int) -> None:
        registration = registrations.get(connection, registration_id)
        if registration is not None:
            link(connection, registration, None, self._clock())
