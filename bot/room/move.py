"""The move from a room that was replaced to the one that replaces it.

A tombstone alone moves nobody: the successor must name the old room as its predecessor, and a
member who may command in both must say so.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.answers import Answer, code
from bot.room.address import Address
from bot.room.authority import Authority
from bot.room.clerk import Clerk, Ledger, unrecorded
from bot.room.inbox import FOLLOW, Command
from bot.room.replies import Replies, mark
from bot.room.session import Refused, Session
from bot.room.timeline import Arrival

_log = structlog.get_logger(__name__)

_OFFER = (("✅", FOLLOW),)
_HOW = ("A moderator of both rooms moves me with ✅ or ", code("!porter follow"), ".")


class Move:
    """One possible move; `is_done` when it was confirmed."""

    def __init__(
        self,
        *,
        session: Session,
        old: Authority,
        new_id: str,
        address: Address,
        age: timedelta,
        clock: Callable[[], datetime],
        ledger: Ledger,
        replies: Replies,
    ) -> None:
        self.new_id = new_id
        self.is_done = False
        self.is_open = False  # whether the new room may be followed to
        self._session = session
        self._old = old
        self._new = Authority(session, new_id, old.rule)
        self._address = address
        self._ledger = ledger
        self._told = replies
        self._asked = Replies(session, new_id)
        self._clerk = Clerk(
            user=session.user,
            age=age,
            clock=clock,
            ledger=ledger,
            carry_out=self._carry_out,
            authority=self._new,
            replies=self._asked,
        )
        self.warning: str | None = None
        self._has_asked = False

    async def open(self) -> None:
        """Enter the new room and ask there, or say in the old one what is in the way.

        Raises Unanswered or RoomError; may be repeated.
        """
        new = code(self.new_id)
        replaced = ("This room was replaced by ", new, ". ")
        try:
            await self._session.ask(self._session.client.join, self.new_id)
            standing = await self._new.look()
        except Refused as error:
            await self._say((*replaced, "I am not let in there: please invite me."), str(error))
            return
        if standing.predecessor != self._old.room_id:
            words = "It does not name this room as its predecessor, so I do not follow."
            await self._say((*replaced, words), "wrong predecessor")
            return
        self.is_open = True
        await self._say(
            (*replaced, *_HOW),
            "open",
            _OFFER,
        )

    async def _ask(self) -> None:
        """Ask in the new room. Raises Unanswered or RoomError."""
        question = Answer(
            (
                ("I serve ", code(self._old.room_id), ", which this room replaces."),
                _HOW,
            )
        )
        await self._offer(self._asked, question, f"ask {self.new_id}", _OFFER)

    async def take(self, events: Sequence[Any], names: list[str]) -> None:
        """Consider what was said in the new room. Raises Unanswered, Refused or RoomError."""
        self._new.forget()
        if not self._has_asked and self.new_id in self._session.client.rooms:
            await self._ask()
            self._has_asked = True
        await self._clerk.take(Arrival(tuple(events)), names)

    async def follow(self, command: Command) -> Answer:
        """Move, if whoever asks may command in both rooms."""
        if not self.is_open:
            return Answer((self.warning or "There is no room to follow to.",), ok=False)
        for authority in (self._old, self._new):
            if not await authority.may_command(command.sender):
                where = ("You may not command in ", code(authority.room_id), ": I stay.")
                return Answer((where,), ok=False)
        self._address.follow(self.new_id)
        self.is_done = True
        return Answer((("From now on I serve ", code(self.new_id), "."),))

    async def _carry_out(self, command: Command, time: int) -> Answer:
        """A command given in the new room."""
        if self.is_done:
            return await self._ledger.carry_out(command, time)
        if command.is_follow:
            return await self.follow(command)
        say = code("!porter follow")
        line = ("I still serve ", code(self._old.room_id), ": say ", say, " to move me.")
        return Answer((line,), ok=False)

    async def _say(self, line: Any, why: str, offers: Sequence[tuple[str, str]] = ()) -> None:
        """Tell the old room, once, as far as we may still speak there."""
        answer = Answer((line,))
        if answer.plain() == self.warning:
            return
        self.warning = answer.plain()
        _log.warning("room_replaced", room=self._old.room_id, by=self.new_id, reason=why)
        await self._offer(self._told, answer, f"told {self.warning}", offers)

    async def _offer(
        self, replies: Replies, answer: Answer, what: str, offers: Sequence[tuple[str, str]]
    ) -> None:
        try:
            once = mark(what, self._old.room_id)
            event_id = await replies.notice(answer.plain(), answer.html(), once)
        except Refused as error:
            _log.info("notice_refused", replaced=self._old.room_id, reason=str(error))
            return
        if not offers:
            return
        try:
            await self._ledger.offer(event_id, offers)
        except Exception as error:
            raise unrecorded(error) from error
        await replies.offer(event_id, [key for key, _ in offers])
