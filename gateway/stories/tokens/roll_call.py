"""The roll call of the tokens that are out: whether the homeserver still has them.

It has not when a backup of it was restored. Then the newest are missing and older ones are there,
and what is missing is put back: the mails that carry it work again. When all are missing, or one
alone, somebody may have deleted them on purpose: that is only told.
"""

import asyncio
import time

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock
from gateway.homeserver.homeserver import HomeserverError, Token, TokenSource
from gateway.store import alerts, home, restored, tokens
from gateway.store.database import Database
from gateway.store.tokens import IssuedToken

_log = structlog.get_logger(__name__)

_EVERY = 600.0  # seconds between two roll calls
_AGAIN = 15.0  # the same when it was not answered
_AT_ONCE = 4  # questions under way
_FEWEST = 2  # missing ones that no hand has picked


class RollCall:
    """Holds it, where the homeserver tells a token that is missing from one that is used up."""

    def __init__(self, database: Database, source: TokenSource, clock: Clock) -> None:
        self._database = database
        self._source = source
        self._clock = clock
        self._rests_until = 0.0
        self._told = 0  # the newest token of which it was told that it is missing

    async def hold(self) -> None:
        """Ask for the newest token, and for all when it is missing."""
        if self._source.abilities.needs_room or time.monotonic() < self._rests_until:
            return
        self._rests_until = time.monotonic() + _AGAIN
        out = await self._database.read(self._out)
        try:
            if out and await self._is_missing(out[0]):
                await self._ask_all(out)
        except HomeserverError as error:  # that it is away is told by others
            _log.info("roll_call_put_off", reason=str(error))
        else:
            self._rests_until = time.monotonic() + _EVERY

    async def _ask_all(self, out: list[IssuedToken]) -> None:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(token: IssuedToken) -> bool:
            async with turns:
                return await self._is_missing(token)

        are_missing = await asyncio.gather(*map(ask, out))
        count = sum(are_missing)
        is_restored = _FEWEST <= count < len(out) and all(are_missing[:count])
        if is_restored:
            await self._put_back(out[:count])
        elif count and out[0].id != self._told:
            self._told = out[0].id
            await self._tell(
                f"The homeserver has {count} of {len(out)} tokens no more that are out. If nobody"
                " deleted them there on purpose: `rotate` mails their holders others"
            )

    async def _put_back(self, missing: list[IssuedToken]) -> None:
        # Before all else, so that a crash leaves nothing open that was closed.
        await self._database.write(lambda c: restored.doubt_withdrawals(c, self._clock()))
        for token in reversed(missing):  # from the oldest on: what is left is missing still
            await self._source.issue(Token(token.value, token.uses, token.expires_at))
        _log.warning("tokens_put_back", count=len(missing))
        await self._tell(
            f"The homeserver had lost the newest {len(missing)} tokens that are out, as after a"
            " restored backup: they are in force again, and what was revoked is revoked anew."
            " Accounts that were made since its backup are gone"
        )

    async def _is_missing(self, token: IssuedToken) -> bool:
        state = await self._source.state(token.value)
        return state.is_gone and not state.is_used_up

    def _out(self, connection: Connection) -> list[IssuedToken]:
        """The tokens that people have and that this homeserver was given, newest first."""
        since = home.since(connection)
        return sorted(
            (
                each
                for each in tokens.living(connection, self._clock())
                if each.purpose in ("applicant", "person")
                and each.issued_at is not None
                and (since is None or each.issued_at >= since)
            ),
            key=lambda each: (each.issued_at, each.id),
            reverse=True,
        )

    async def _tell(self, text: str) -> None:
        now = self._clock()
        await self._database.write(lambda c: alerts.raise_alert(c, "tokens lost", text, now))
