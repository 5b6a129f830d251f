"""Tokens by commands in the homeserver's admin room.

The homeserver chooses a token's value. The order for it is placed under the value of the wish, and
is carried out once; so the wish asked for again finds the token that was made, also after a crash.
An answer that never comes may leave a token behind that nobody knows the value of.
"""

import asyncio
import re
import secrets
import time
from collections.abc import Sequence
from datetime import timedelta

from gateway.clock import Clock, utc_now
from gateway.homeserver import room_commands
from gateway.homeserver.admin_room import AdminRoom
from gateway.homeserver.homeserver import HomeserverError, Issued, Token, TokenState, Unable
from gateway.homeserver.room_commands import Dialect
from gateway.rules.replies import complaint_in, link_in, listed, token_in

_MEMORY = timedelta(seconds=10)  # a list of all tokens serves all that ask within so long
_VALUE = re.compile(r"[A-Za-z0-9._~][A-Za-z0-9._~-]{0,63}")


class RoomTokens:
    """Has tokens made, told of and revoked in the `room`."""

    def __init__(
        self,
        room: AdminRoom,
        dialect: Dialect,
        memory: timedelta = _MEMORY,
        clock: Clock = utc_now,
    ) -> None:
        self._room = room
        self._dialect = dialect
        self._clock = clock
        self._memory = memory.total_seconds()
        self._turn = asyncio.Lock()
        self._list: dict[str, int] | HomeserverError = {}
        self._listed_until = 0.0

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Have the token made, or find the one that was made; then revoke `instead_of`."""
        wish = _value(token.value)
        reply = await self._room.order(wish, self._dialect.issue(token, self._clock()))
        value = token_in(reply)
        if value is None:
            await self._room.discard(wish)
            raise self._refusal("make a token", reply)
        for each in instead_of:
            if each not in (value, wish):
                await self.revoke(each)
        return Issued(value, link_in(reply))

    async def revoke(self, value: str) -> None:
        """Revoke a token by its own value, or by that of the wish.

        One that was never made is called off; should its reply come still, it is an orphan. Raises
        Unable for one in the server's configuration or token file.
        """
        if not _VALUE.fullmatch(value):
            return  # no server of these can have it
        reply = await self._room.discard(value)
        made = value if reply is None else token_in(reply)
        if made is None:
            return
        key = f"revoke {made}"
        reply = await self._room.order(key, room_commands.revoke(made))
        if not any(words in reply for words in room_commands.REVOKED):
            await self._room.discard(key)
            if room_commands.STAYS in reply:
                raise Unable(
                    "it stands in the homeserver's own configuration or token file, and ends only"
                    " there"
                )
            raise self._refusal("revoke a token", reply)

    async def state(self, value: str) -> TokenState:
        """As its list tells: a token that is used up is not on it."""
        async with self._turn:
            known = self._list
            # A token may be newer than a list that it is not on.
            is_missed = isinstance(known, dict) and value not in known
            if is_missed or time.monotonic() >= self._listed_until:
                known = self._list = await self._ask_list()
                self._listed_until = time.monotonic() + self._memory
        if isinstance(known, HomeserverError):
            raise known
        return TokenState(known.get(value), value not in known, value not in known)

    async def check(self) -> None:
        """Find out whether orders are carried out."""
        await self._room.check()

    async def _ask_list(self) -> dict[str, int] | HomeserverError:
        """How often each token in force was used, or why that is not told."""
        key = f"list {secrets.token_hex(8)}"
        try:
            reply = await self._room.order(key, room_commands.LIST)
        except HomeserverError as error:
            return error
        finally:
            await self._room.discard(key)
        tokens = listed(reply)
        return self._refusal("list its tokens", reply) if tokens is None else tokens

    def _refusal(self, wish: str, reply: str) -> HomeserverError:
        """What a reply means that does not fulfil the `wish`."""
        title = self._dialect.title
        return HomeserverError(f"{title} did not {wish} in its admin room: {complaint_in(reply)}")


def _value(value: str) -> str:
    """A value that is no token must not become another command."""
    if not _VALUE.fullmatch(value):
        raise HomeserverError("a value with other characters than a token's is no token")
    return value
