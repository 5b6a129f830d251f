"""The story of a token given by hand to somebody whom a moderator knows, and of early ends.

It is written down with its audit entry before the homeserver hears of it, so that a crash leads to
the same token again; and one Matrix event makes one token, however often it is carried out.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import HomeserverError, Token, TokenSource, Unable
from gateway.rules.tokens import new_token
from gateway.store import alerts, audit, outbox, tokens
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken

_log = structlog.get_logger(__name__)

_MOST = 20  # given tokens that are told of
_MOST_FAILURES = 4  # in one look: a hundred waits would tell no more
_ISSUE, _REVOKE = "issue", "revoke"

Find = Callable[[Connection], IssuedToken | None]


@dataclass(frozen=True, slots=True)
class Given:
    """A token that was given away: by whom and for whom, and how many accounts it opened.

    `used` is None where the homeserver does not tell.
    """

    token: IssuedToken
    by: str
    note: str | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Revoked:
    """A token that was ended. It is `gone` when the homeserver has it no more, else it will be;
    `mail_owed` when its applicant is about to be mailed another one."""

    token: IssuedToken
    gone: bool
    mail_owed: bool


class GivenTokens:
    """Gives tokens away by hand, and ends single tokens."""

    def __init__(self, database: Database, source: TokenSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._refused: Counter[int] = Counter()  # how often, by the tokens' numbers

    @property
    def counts_uses(self) -> bool:
        """Whether the homeserver keeps count of a token's uses; else it opens any number."""
        return self._source.abilities.counts_uses

    @property
    def makes_tokens(self) -> bool:
        """Whether the homeserver chooses a token's value, so that it is known once it works."""
        return self._source.abilities.makes_tokens

    async def issue(
        self, author: Author, uses: int, span: timedelta, note: str | None = None
    ) -> tuple[IssuedToken, bool]:
        """Make a token for `uses` accounts within `span`; and whether it works already.

        If not, it does as soon as the homeserver answers. Raises ValueError where everybody has
        the same token.
        """
        abilities = self._source.abilities
        if not abilities.own_tokens:
            raise ValueError(f"No token can be made: {abilities.title} has one for everybody.")

        def prepare(connection: Connection) -> IssuedToken:
            now = self._clock()
            made = _done(connection, author, _ISSUE)
            if made is not None:
                return made
            counted = uses if self.counts_uses else None
            token = tokens.prepare_given(connection, new_token(), counted, now, now + span)
            after = (
                f"{counted or 'any number of'} uses until {token.withdraw_at:%Y-%m-%d %H:%M} UTC"
            )
            audit.note(connection, author, _ISSUE, _subject(token), now, after=after, reason=note)
            return token

        token = await self._database.write(prepare)
        if token.issued_at is not None:
            return token, True
        try:
            works = await self._put_in_force(token)
        except HomeserverError as error:
            _log.warning("token_not_issued_yet", token=token.id, reason=str(error))
            return token, False
        return await self._database.read(lambda c: tokens.get(c, token.id)) or token, works

    async def finish(self) -> None:
        """Put into force what the homeserver did not take at once. Raises HomeserverError."""
        now = self._clock()
        left = await self._database.read(lambda c: tokens.unfinished_given(c, now))
        failures: list[HomeserverError] = []
        # Some that it refuses for ever must not hold up all others.
        for token in sorted(left, key=lambda each: self._refused[each.id]):
            try:
                await self._put_in_force(token)
            except Unable as error:
                await self._give_up(token, str(error))
            except HomeserverError as error:
                failures.append(error)
                self._refused[token.id] += 1
                if len(failures) >= _MOST_FAILURES:
                    break
        if failures:
            raise failures[0]

    async def standing(self) -> list[Given]:
        """Those that may still open an account, newest first."""
        now = self._clock()

        def read(connection: Connection) -> list[tuple[IssuedToken, audit.Entry | None]]:
            found = tokens.given(connection, now, _MOST)
            return [
                (token, next(iter(audit.about(connection, _subject(token))), None))
                for token in found
            ]

        found = await self._database.read(read)
        used = await asyncio.gather(*(self.used(token) for token, _ in found))
        return [
            Given(token, entry.who if entry else "?", entry.reason if entry else None, number)
            for (token, entry), number in zip(found, used, strict=True)
        ]

    async def used(self, token: IssuedToken) -> int | None:
        """How many accounts a token opened, as far as the homeserver tells."""
        try:
            return (await self._source.state(token.value)).used
        except HomeserverError:
            return None

    async def revoke(self, author: Author, find: Find) -> Revoked:
        """End one token now. Raises ValueError with one sentence when it cannot be ended so."""

        def end(connection: Connection) -> tuple[IssuedToken, bool]:
            now = self._clock()
            token = _done(connection, author, _REVOKE)
            if token is None:
                token = self._ending(find(connection), now)
                tokens.withdraw(connection, token.id, now)
                audit.note(connection, author, _REVOKE, _subject(token), now)
            number = token.registration_id
            return token, number is not None and outbox.is_owed(connection, number)

        token, mail_owed = await self._database.write(end)
        try:
            await self._source.revoke(token.value)
        except HomeserverError as error:
            _log.warning("token_not_revoked_yet", token=token.id, reason=str(error))
            return Revoked(token, False, mail_owed)
        now = self._clock()
        await self._database.write(lambda c: tokens.withdrawn(c, token.id, now))
        return Revoked(token, True, mail_owed)

    def _ending(self, token: IssuedToken | None, now: datetime) -> IssuedToken:
        """A token that may be ended by itself. Raises ValueError."""
        if token is None:
            raise ValueError("There is no such token.")
        if token.purpose == "shared":
            rotates = self._source.abilities.replaces_tokens
            instead = "rotate it instead" if rotates else "only the homeserver's operator ends it"
            raise ValueError(f"That is the shared token, which all applicants have: {instead}.")
        if token.purpose == "guard":
            raise ValueError(
                "Nobody has that token: it keeps the homeserver from letting everybody in."
            )
        if token.withdraw_at is not None and token.withdraw_at <= now:
            raise ValueError(f"Token {token.id} has ended already.")
        return token

    async def _give_up(self, token: IssuedToken, reason: str) -> None:
        """It was promised while the desk stood before a homeserver of another kind."""

        def end(connection: Connection) -> None:
            now = self._clock()
            tokens.withdraw(connection, token.id, now)
            tokens.withdrawn(connection, token.id, now)
            text = f"Token {token.id}, given by hand, will never work: {alerts.outside(reason)}"
            alerts.raise_alert(connection, "token given up", text, now)

        await self._database.write(end)

    async def _put_in_force(self, token: IssuedToken) -> bool:
        issued = await self._source.issue(Token(token.value, token.uses, token.expires_at))
        now = self._clock()
        return await self._database.write(
            lambda c: tokens.came_into_force(c, token.id, issued.value, issued.link, now)
        )


def _subject(token: IssuedToken) -> str:
    return f"token {token.id}"


def _done(connection: Connection, author: Author, action: str) -> IssuedToken | None:
    """The token with which this very command has done its work before."""
    if author.event_id is None:
        return None
    for entry in audit.of_event(connection, author.event_id):
        if entry.action == action:
            return tokens.get(connection, int(entry.subject.removeprefix("token ")))
    return None
