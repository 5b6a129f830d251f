"""The bot's stay in one room: listens, obeys, and looks after the room's safety."""

import asyncio
import math
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.answers import Answer
from bot.room.address import Address
from bot.room.authority import Authority
from bot.room.clerk import Clerk, Ledger
from bot.room.files import Kept
from bot.room.inbox import Command
from bot.room.move import Move
from bot.room.power import Rule
from bot.room.replies import Replies
from bot.room.session import Refused, Session, Unanswered
from bot.room.signing import sign_device
from bot.room.timeline import Timeline

_log = structlog.get_logger(__name__)

_SIGN_AGAIN = 300.0  # seconds until a device that could not be signed is tried again
_UNSIGNED = "bot: its device is not signed, so careful clients do not hear it; {reason}."


class Stay:
    """One room, from coming in until the room is replaced."""

    def __init__(
        self,
        *,
        session: Session,
        address: Address,
        room_id: str,
        rule: Rule,
        age: timedelta,
        clock: Callable[[], datetime],
        ledger: Ledger,
        ready: asyncio.Event,
    ) -> None:
        self.replies = Replies(session, room_id)
        self._session = session
        self._address = address
        self._room_id = room_id
        self._age = age
        self._clock = clock
        self._ledger = ledger
        self._ready = ready
        self._authority = Authority(session, room_id, rule)
        journal = Kept(session.folder / "position.json")
        self._timeline = Timeline(session, room_id, journal, age, clock)
        self._clerk = Clerk(
            user=session.user,
            age=age,
            clock=clock,
            ledger=ledger,
            authority=self._authority,
            replies=self.replies,
            carry_out=self._carry_out,
        )
        self._move: Move | None = None
        self._has_begun = False
        self._sign_at: dict[str, float] = {}  # when a device is to be signed, by its id
        self._unsigned: str | None = None  # why our device is not signed
        self._warnings: list[str] | None = None

    async def listen(self) -> bool:
        """Take what came, once; False when the bot serves another room from now on.

        Raises Unanswered, Refused or RoomError; then it may be repeated.
        """
        if not self._has_begun:
            await self._resume()
        arrival = await self._timeline.read()
        if arrival.changed:
            self._authority.forget()
        if not self._has_begun and self._timeline.joined:
            # Before the first command: it may be the word to move.
            await self._sign()
            await self._survey()
            if self._move is not None and not self._move.is_open:
                await self._open(self._move)
        self._has_begun = True
        await self._clerk.take(arrival, self._names(self._room_id))
        if self._move is not None and self._move.is_open:
            await self._move.take(arrival.beside, self._names(self._move.new_id))
        try:
            if self._move is not None and self._move.is_done:
                self._timeline.hand_over(self._move.new_id)
                return False
            self._timeline.commit()
        except OSError as error:
            folder = self._session.folder
            raise Unanswered(f"{folder} cannot be written ({error.strerror})") from error
        await self._sign()
        if not self._timeline.joined:
            await self._enter()
        elif arrival.changed or not self._ready.is_set() or self._warnings is None:
            await self._survey()
        if self._move is not None and not self._move.is_open:
            await self._open(self._move)
        return True

    async def _resume(self) -> None:
        """Hear also what was said, while we were away, in the room that replaces this one."""
        with suppress(Refused):
            standing = await self._authority.look()
            if standing.successor:
                self._timeline.watch(standing.successor)

    async def _sign(self) -> None:
        """Sign a new device, and one that could not be signed now and then again."""
        device, now = self._session.client.device_id, time.monotonic()
        if now < self._sign_at.get(device, now):
            return
        unsigned = await sign_device(self._session)
        self._sign_at[device] = math.inf if unsigned is None else now + _SIGN_AGAIN
        if unsigned != self._unsigned:
            self._unsigned, self._warnings = unsigned, None

    async def _enter(self) -> None:
        self._ready.clear()
        try:
            await self._session.ask(self._session.client.join, self._room_id)
        except Refused as error:
            raise Unanswered(
                f"{self._session.user} is not in {self._room_id}, and not invited ({error})"
            ) from None

    async def _survey(self) -> None:
        """See whether the room is safe, and still the room."""
        user = self._session.user
        standing = await self._authority.look()
        new_id = standing.successor
        if new_id and (self._move is None or self._move.new_id != new_id):
            self._move = self._move_to(new_id)
        found = standing.warnings(user, self._authority.rule)
        if self._unsigned is not None:
            found.append(_UNSIGNED.format(reason=self._unsigned))
        for more in (self._address.warning, self._move.warning if self._move else None):
            found += [more] if more else []
        if found != self._warnings:
            for warning in found:
                if warning not in (self._warnings or ()):
                    _log.warning("room_unsafe", warning=warning)
            try:
                await self._ledger.warn(found)
            except Exception as error:
                _log.warning("room_warnings_unkept", reason=str(error) or type(error).__name__)
            else:
                self._warnings = found
        if not self._ready.is_set():
            _log.info("room_ready", room=self._room_id, user=user, encrypted=standing.encrypted)
            self._ready.set()

    def _move_to(self, new_id: str) -> Move:
        return Move(
            session=self._session,
            old=self._authority,
            new_id=new_id,
            address=self._address,
            age=self._age,
            clock=self._clock,
            ledger=self._ledger,
            replies=self.replies,
        )

    async def _open(self, move: Move) -> None:
        known = move.warning
        await move.open()
        if move.warning != known:
            await self._survey()
        if move.is_open:
            self._timeline.watch(move.new_id)

    async def _carry_out(self, command: Command, time: int) -> Answer:
        if self._move is not None and command.is_follow:
            return await self._move.follow(command)
        return await self._ledger.carry_out(command, time)

    def _names(self, room_id: str) -> list[str]:
        room: Any = self._session.client.rooms.get(room_id)
        me = room.users.get(self._session.user) if room is not None else None
        return [me.display_name] if me is not None and me.display_name else []
