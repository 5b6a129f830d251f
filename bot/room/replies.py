"""What the bot puts into its room: notices, replies, files, edits and reactions.

Nothing here mentions anybody. Every send carries a transaction id that stays the same when it is
repeated, so that a lost answer of the homeserver never becomes a second message. That of an answer
follows from its command, and so outlives a crash.
"""

import asyncio
import hashlib
import secrets
from collections.abc import Iterable
from typing import Any

import structlog

from bot.answers import Answer, Attachment
from bot.room.attachments import upload
from bot.room.inbox import Letter, thread_of
from bot.room.session import PATIENCE, Refused, Session, Unanswered

_log = structlog.get_logger(__name__)

HOURGLASS, TICK, CROSS, ASKING = "⏳", "✅", "❌", "❓"
_REACTION_PATIENCE = 15.0  # seconds; a reaction is a courtesy, the answer says it in words


def _notice(plain: str, html: str) -> dict[str, Any]:
    return {
        "msgtype": "m.notice",
        "body": plain,
        "format": "org.matrix.custom.html",
        "formatted_body": html,
        "m.mentions": {},
    }


def _edit(event_id: str, plain: str, html: str) -> dict[str, Any]:
    return _notice(f"* {plain}", f"* {html}") | {
        "m.new_content": _notice(plain, html),
        "m.relates_to": {"rel_type": "m.replace", "event_id": event_id},
    }


def _relation(target: str, thread: str | None) -> dict[str, Any]:
    relation: dict[str, Any] = {"m.in_reply_to": {"event_id": target}}
    if thread:
        relation |= {"rel_type": "m.thread", "event_id": thread, "is_falling_back": False}
    return {"m.relates_to": relation}


def mark(what: str, event_id: str) -> str:
    """A transaction id for what we say about an event: the same in the next run."""
    return f"porter-{hashlib.sha256(f'{what} {event_id}'.encode()).hexdigest()[:32]}"


class Replies:
    """Sends into one room, one message after the other."""

    def __init__(self, session: Session, room_id: str) -> None:
        self._session = session
        self.room_id = room_id
        # nio shares a room's key once; a second send at that moment would fail.
        self._turn = asyncio.Lock()

    async def answer(self, letter: Letter, answer: Answer, what: str = "answer") -> str:
        """Reply to a command, in its thread, once; returns the reply's event id.

        Raises Unanswered, Refused or RoomError.
        """
        content = _notice(answer.plain(), answer.html()) | _relation(letter.target, letter.thread)
        return await self._send("m.room.message", content, once=mark(what, letter.command.event_id))

    async def attach(self, letter: Letter, attachment: Attachment, number: int) -> None:
        """Send a file that goes with an answer, encrypted in an encrypted room."""
        room = self._session.client.rooms.get(self.room_id)
        content = await upload(self._session, attachment, room is not None and room.encrypted)
        content |= _relation(letter.target, letter.thread)
        await self._send(
            "m.room.message",
            content,
            once=mark(f"attachment {number}", letter.command.event_id),
        )

    async def notice(
        self, plain: str, html: str, once: str | None = None, thread: str | None = None
    ) -> str:
        """Post a notice, in the thread of an event if told; returns its event id.

        The same `once` posts it once.
        """
        content = _notice(plain, html)
        if thread:
            content |= _relation(thread, thread)
        return await self._send("m.room.message", content, once=once)

    async def edit(self, event_id: str, plain: str, html: str) -> None:
        """Replace what a notice says."""
        await self._send("m.room.message", _edit(event_id, plain, html))

    async def react(self, event_id: str, key: str, *, of: str | None = None) -> str:
        """React to an event, because of the event `of`; returns the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self._send(
            "m.reaction",
            {"m.relates_to": relation},
            once=mark(f"reaction {key} {event_id}", of or event_id),
            patience=_REACTION_PATIENCE,
        )

    async def offer(self, event_id: str, keys: Iterable[str]) -> None:
        """Put reactions under a message of ours, so that a click is enough to choose one."""
        for key in keys:
            try:
                await self.react(event_id, key)
            except (Unanswered, Refused) as error:
                _log.info("reaction_lost", event_id=event_id, reason=str(error))

    async def take_back(self, event_id: str) -> None:
        """Remove something of our own, a reaction for instance."""
        await self._session.ask(
            self._session.client.room_redact,
            self.room_id,
            event_id,
            tx_id=secrets.token_hex(8),
            patience=_REACTION_PATIENCE,
        )

    async def thread_of(self, event_id: str) -> str | None:
        """The first event of the thread that an event of the room stands in.

        Raises Unanswered or RoomError.
        """
        client = self._session.client
        try:
            found = await self._session.ask(client.room_get_event, self.room_id, event_id)
        except Refused:
            return None
        return thread_of(found.event.source)

    async def _send(
        self,
        kind: str,
        content: dict[str, Any],
        *,
        once: str | None = None,
        patience: float = PATIENCE,
    ) -> str:
        transaction = once or secrets.token_hex(8)

        async def send() -> Any:
            client = self._session.client
            try:
                return await client.room_send(
                    self.room_id, kind, content, transaction, ignore_unverified_devices=True
                )
            except BaseException:
                # nio leaves this mark behind when it fails here, and would wait for it for ever.
                mark = client.sharing_session.pop(self.room_id, None)
                if mark is not None:
                    mark.set()
                raise

        async with self._turn:
            sent = await self._session.ask(send, patience=patience)
        return str(sent.event_id)
