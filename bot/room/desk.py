"""What happens to a command that lies in the room: is it allowed, is it new, what came of it.

Nothing is done for edits, notices, strangers, repeated events or old commands. A command is
recorded as seen before it is carried out, so it never runs twice; one that a crash interrupted is
named when the bot is back.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from bot.answers import Answer, code
from bot.room.files import Kept
from bot.room.inbox import Command, Letter, read
from bot.room.power import Standing
from bot.room.replies import CROSS, HOURGLASS, TICK, Replies
from bot.room.session import Refused, Unanswered
from bot.room.timeline import Arrival
from gateway.rules.durations import format_duration

_log = structlog.get_logger(__name__)

SLOW = 1.0  # seconds after which a command shows an hourglass

Handle = Callable[[Command], Awaitable[Answer]]
Seen = Callable[[str], Awaitable[bool]]


class Desk:
    """Takes what arrives in the room, one command after the other."""

    def __init__(
        self,
        *,
        user: str,
        power: int,
        age: timedelta,
        clock: Callable[[], datetime],
        handle: Handle,
        seen: Seen,
        standing: Callable[[], Awaitable[Standing]],
        replies: Replies,
        begun: Kept,
    ) -> None:
        self._user = user
        self._power = power
        self._age = age
        self._clock = clock
        self._handle = handle
        self._seen = seen
        self._standing = standing
        self._replies = replies
        self._begun = begun
        self._declined: set[str] = set()
        self._unread: set[str] = set()

    async def take(self, arrival: Arrival, names: list[str]) -> None:
        """Consider every event. Raises Unanswered, Refused or RoomError; then take it again."""
        late: list[Letter] = []
        for event in arrival.events:
            source = getattr(event, "source", None)
            letter = read(source, self._user, names) if isinstance(source, dict) else None
            if letter is None:
                continue
            if self._is_late(event):
                late.append(letter)
            else:
                await self._consider(letter)
        if late:
            await self._leave(late)
        for event in arrival.unreadable:
            await self._regret(event)

    async def _consider(self, letter: Letter) -> None:
        command = letter.command
        standing = await self._standing()
        if not standing.may_command(command.sender, self._power):
            await self._decline(letter, standing)
            return
        event_id = command.event_id
        # Begun before it is seen: a crash between the two leaves a command that was not begun.
        was_begun = self._begun.load().get("event_id") == event_id
        can_note = was_begun or self._note({"event_id": event_id})
        if await self._was_seen(event_id):
            if was_begun:
                await self._say(letter, _INTERRUPTED)
        elif can_note:
            await self._say(letter, await self._carry_out(letter))
        else:
            await self._say(letter, _UNWRITABLE)
        self._note({})

    def _note(self, begun: dict[str, str]) -> bool:
        """Write down which command is under way; whether that could be done."""
        try:
            self._begun.save(begun)
        except OSError as error:
            _log.error("room_state_unwritable", file=str(self._begun.path), reason=str(error))
            return False
        return True

    async def _was_seen(self, event_id: str) -> bool:
        try:
            return await self._seen(event_id)
        except Exception as error:
            # Without this record a command could run twice: it waits.
            reason = str(error) or type(error).__name__
            raise Unanswered(f"commands cannot be recorded ({reason})") from error

    async def _carry_out(self, letter: Letter) -> Answer:
        """The command's answer; shows an hourglass while it takes long."""
        task = asyncio.ensure_future(self._handle(letter.command))
        hourglass = None
        try:
            done, _ = await asyncio.wait({task}, timeout=SLOW)
            if not done:
                hourglass = await self._react(letter, HOURGLASS)
            answer = await task
        except asyncio.CancelledError:
            task.cancel()
            await asyncio.wait({task})
            raise
        except Exception:
            reference = secrets.token_hex(4).upper()
            event_id = letter.command.event_id
            _log.exception("command_failed", reference=reference, event_id=event_id)
            answer = Answer((("Something went wrong: reference ", code(reference)),), ok=False)
        if hourglass:
            await self._take_back(hourglass)
        return answer

    async def _say(self, letter: Letter, answer: Answer) -> None:
        """Answer; a command that is done stays done even if the room cannot be told."""
        try:
            await self._replies.answer(letter, answer)
        except (Unanswered, Refused) as error:
            _log.error("answer_lost", event_id=letter.command.event_id, reason=str(error))
        await self._react(letter, TICK if answer.ok else CROSS)

    async def _react(self, letter: Letter, key: str) -> str | None:
        try:
            return await self._replies.react(letter.command.event_id, key)
        except (Unanswered, Refused) as error:
            _log.info("reaction_lost", event_id=letter.command.event_id, reason=str(error))
            return None

    async def _take_back(self, event_id: str) -> None:
        try:
            await self._replies.take_back(event_id)
        except (Unanswered, Refused) as error:
            _log.info("reaction_stays", event_id=event_id, reason=str(error))

    def _is_late(self, event: Any) -> bool:
        sent = getattr(event, "server_timestamp", 0)
        return bool(self._clock().timestamp() * 1000 - sent > self._age.total_seconds() * 1000)

    async def _decline(self, letter: Letter, standing: Standing) -> None:
        """Say once to each member why nothing happens; a stranger hears nothing."""
        sender = letter.command.sender
        _log.info("command_declined", sender=sender, event_id=letter.command.event_id)
        if sender in self._declined or not standing.has_joined(sender):
            return
        self._declined.add(sender)
        await self._say(letter, _short_of(self._power))

    async def _leave(self, late: list[Letter]) -> None:
        standing = await self._standing()
        late = [each for each in late if standing.may_command(each.command.sender, self._power)]
        if late:
            span = format_duration(self._age)
            what = "This command" if len(late) == 1 else f"{len(late)} commands up to this one"
            text = f"{what} came more than {span} ago, while I was away: not carried out."
            await self._say(late[-1], Answer((text,), ok=False))

    async def _regret(self, event: Any) -> None:
        """Tell a member who may command, once, that his messages cannot be read."""
        sender = event.sender
        _log.warning("event_unreadable", sender=sender, event_id=event.event_id)
        if sender in self._unread or self._is_late(event):
            return
        if (await self._standing()).may_command(sender, self._power):
            self._unread.add(sender)
            await self._say(Letter(Command("", sender, event.event_id), None), _UNREADABLE)


_INTERRUPTED = Answer(
    (
        "I was stopped in the middle of this command.",
        "It may have taken effect or not: look before you repeat it.",
    ),
    ok=False,
)
_UNWRITABLE = Answer(
    ("My state folder cannot be written, so this was not carried out: see the log.",), ok=False
)
_UNREADABLE = Answer(
    (
        "I cannot read this message: your client did not give me its key.",
        "If it was a command, please send it again.",
    ),
    ok=False,
)


def _short_of(power: int) -> Answer:
    return Answer((f"Only members with power level {power} or more may command me.",), ok=False)
