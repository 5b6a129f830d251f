"""What happens to a command that lies in the room: is it allowed, is it new, what came of it.

Nothing is done for edits, notices, strangers or repeated events. A reaction to one of our messages
is the command that was offered there. Each command is taken up once, however often the plug is
pulled, and remembered when its answer stands in the room.
"""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Protocol

import structlog

from bot.answers import Answer, code
from bot.room.authority import Authority
from bot.room.inbox import Command, Letter, read, read_reaction
from bot.room.power import Rule
from bot.room.replies import ASKING, CROSS, HOURGLASS, TICK, Replies
from bot.room.session import Refused, Unanswered
from bot.room.timeline import Arrival

_log = structlog.get_logger(__name__)

SLOW = 1.0  # seconds after which a command shows an hourglass


class Ledger(Protocol):
    """The desk behind the room: carries commands out, and remembers which ones it took up."""

    async def begin(self, event_id: str) -> int | None:
        """Write down that a command is taken up; the how many-eth time this is, or None when it
        is answered already."""

    async def carry_out(self, command: Command, time: int) -> Answer:
        """Do what is asked. From the second time on, what was done before is not done again."""

    async def hold(self, command: Command) -> Answer:
        """Ask whether a command that came too late is still wanted."""

    async def answered(self, event_id: str) -> None:
        """Remember that the room has the answer."""

    async def warn(self, warnings: Sequence[str]) -> None:
        """Keep what is wrong with the room now, one sentence each."""

    async def offer(self, event_id: str, offers: Sequence[tuple[str, str]]) -> None:
        """Keep which reactions to a message of ours stand for which commands."""

    async def offered(self, event_id: str, key: str) -> str | None:
        """The command that a reaction to a message of ours stands for; an empty one when it is
        offered no more, None when it never was."""


class Clerk:
    """Takes what arrives in the room, one command after the other."""

    def __init__(
        self,
        *,
        user: str,
        age: timedelta,
        clock: Callable[[], datetime],
        ledger: Ledger,
        authority: Authority,
        replies: Replies,
        carry_out: Callable[[Command, int], Awaitable[Answer]] | None = None,
    ) -> None:
        """`carry_out` takes the place of the ledger's own."""
        self._user = user
        self._age = age
        self._clock = clock
        self._ledger = ledger
        self._authority = authority
        self._carry_out = carry_out or ledger.carry_out
        self._replies = replies
        self._owed: dict[str, Answer] = {}  # answers that the room does not have yet
        self._declined: set[str] = set()
        self._unread: set[str] = set()
        self._is_waiting = False

    async def take(self, arrival: Arrival, names: list[str]) -> None:
        """Consider every event. Raises Unanswered, Refused or RoomError; then take it again."""
        for event in arrival.events:
            source = getattr(event, "source", None)
            if not isinstance(source, dict):
                continue
            letter = read(source, self._user, names) or await self._read_reaction(source)
            if letter is not None:
                await self._consider(letter, late=self._is_late(event))
        for event in arrival.unreadable:
            await self._regret(event)

    async def _read_reaction(self, source: dict[str, Any]) -> Letter | None:
        """The command that a reaction stands for, as if typed in its message's thread."""
        reaction = read_reaction(source, self._user)
        if reaction is None:
            return None
        try:
            text = await self._ledger.offered(reaction.target, reaction.key)
        except Exception as error:
            raise unrecorded(error) from error
        if text is None:
            return None
        thread = await self._replies.thread_of(reaction.target)
        command = Command(text, reaction.sender, reaction.event_id)
        return Letter(command, thread, reaction.target)

    async def _consider(self, letter: Letter, *, late: bool) -> None:
        command = letter.command
        if not await self._authority.may_command(command.sender):
            if not late:
                await self._decline(letter)
            return
        event_id = command.event_id
        if event_id not in self._owed:
            time = await self._begin(letter)
            if time is None:
                return
            self._owed[event_id] = await self._watched(letter, self._work(letter, time, late))
        await self._say(letter, self._owed[event_id])
        try:
            await self._ledger.answered(event_id)
        except Exception as error:
            raise unrecorded(error) from error
        del self._owed[event_id]

    def _work(self, letter: Letter, time: int, late: bool) -> Awaitable[Answer]:
        command = letter.command
        if letter.answers is not None and not command.text:
            return _not_offered()
        # A move is as wanted as ever while the old room is served, and no question could do it.
        if late and not command.is_follow:
            return self._ledger.hold(command)
        return self._carry_out(command, time)

    async def _begin(self, letter: Letter) -> int | None:
        try:
            time = await self._ledger.begin(letter.command.event_id)
        except Exception as error:
            # Without this record a command could run twice: it waits, and the room knows.
            if not self._is_waiting:
                self._is_waiting = True
                with suppress(Unanswered, Refused):
                    await self._replies.answer(letter, _WAITS, "waits")
            raise unrecorded(error) from error
        self._is_waiting = False
        return time

    async def _watched(self, letter: Letter, work: Awaitable[Answer]) -> Answer:
        """The command's answer; shows an hourglass while it takes long."""
        task = asyncio.ensure_future(work)
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
        """Answer, with all that belongs to it. Raises Unanswered: then it is still owed.

        When the homeserver refuses it, a command that is done stays done all the same.
        """
        await self._attach(letter, answer, pictures=True)  # its words stand under a picture
        try:
            event_id = await self._replies.answer(letter, answer)
        except Refused as error:
            _log.error("answer_lost", event_id=letter.command.event_id, reason=str(error))
            return
        await self._attach(letter, answer, pictures=False)
        if answer.offers:
            try:
                await self._ledger.offer(event_id, answer.offers)
            except Exception as error:
                raise unrecorded(error) from error
            await self._replies.offer(event_id, [key for key, _ in answer.offers])
        if letter.answers is None:
            await self._react(letter, ASKING if answer.asks else TICK if answer.ok else CROSS)

    async def _attach(self, letter: Letter, answer: Answer, *, pictures: bool) -> None:
        """Send the files of an answer; the homeserver may refuse one, and the words come still."""
        for number, attachment in enumerate(answer.attachments):
            if (attachment.size is not None) is pictures:
                try:
                    await self._replies.attach(letter, attachment, number)
                except Refused as error:
                    name, event_id = attachment.name, letter.command.event_id
                    _log.error("file_lost", name=name, event_id=event_id, reason=str(error))

    async def _react(self, letter: Letter, key: str) -> str | None:
        try:
            return await self._replies.react(letter.target, key, of=letter.command.event_id)
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

    async def _decline(self, letter: Letter) -> None:
        """Say once to each member why nothing happens; a stranger hears nothing."""
        sender = letter.command.sender
        if sender in self._declined or not await self._authority.has_joined(sender):
            return
        _log.info("command_declined", sender=sender, event_id=letter.command.event_id)
        self._declined.add(sender)
        if letter.answers is None:
            await self._say(letter, _short_of(self._authority.rule))

    async def _regret(self, event: Any) -> None:
        """Tell a member who may command, once, that his messages cannot be read."""
        sender = event.sender
        _log.warning("event_unreadable", sender=sender, event_id=event.event_id)
        if sender in self._unread or self._is_late(event):
            return
        if await self._authority.may_command(sender):
            self._unread.add(sender)
            await self._say(Letter(Command("", sender, event.event_id), None), _UNREADABLE)


_WAITS = Answer(
    ("My database cannot be used now: this command waits, and is carried out when it can be.",),
    ok=False,
)
_UNREADABLE = Answer(
    (
        "I cannot read this message: your client did not give me its key.",
        "If it was a command, please send it again.",
    ),
    ok=False,
)


async def _not_offered() -> Answer:
    return Answer(("Nothing done: this is over, or was offered in another way.",), ok=False)


def unrecorded(error: Exception) -> Unanswered:
    """What to say when the ledger failed: the command waits."""
    reason = str(error) or type(error).__name__
    return Unanswered(f"commands cannot be recorded ({reason})")


def _short_of(rule: Rule) -> Answer:
    whose = "members" if rule.server is None else f"members of {rule.server}"
    text = f"Only {whose} with power level {rule.power} or more may command me."
    return Answer((text,), ok=False)
