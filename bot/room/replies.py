"""What the bot puts into its room: notices, replies, edits and reactions.

Nothing here mentions anybody. Every send carries a transaction id that stays the same when it is
repeated, so that a lost answer of the homeserver never becomes a second message.
"""

import asyncio
import secrets
from typing import Any

from bot.answers import Answer
from bot.room.inbox import Letter
from bot.room.session import PATIENCE, Session

HOURGLASS, TICK, CROSS = "⏳", "✅", "❌"
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


def _reply(letter: Letter, answer: Answer) -> dict[str, Any]:
    relation: dict[str, Any] = {"m.in_reply_to": {"event_id": letter.command.event_id}}
    if letter.thread:
        relation |= {"rel_type": "m.thread", "event_id": letter.thread, "is_falling_back": False}
    return _notice(answer.plain(), answer.html()) | {"m.relates_to": relation}


class Replies:
    """Sends into one room, one message after the other."""

    def __init__(self, session: Session, room_id: str) -> None:
        self._session = session
        self._room_id = room_id
        # nio shares a room's key once; a second send at that moment would fail.
        self._turn = asyncio.Lock()

    async def answer(self, letter: Letter, answer: Answer) -> None:
        """Reply to a command, in its thread. Raises Unanswered, Refused or RoomError."""
        await self._send("m.room.message", _reply(letter, answer))

    async def notice(self, plain: str, html: str, once: str | None = None) -> str:
        """Post a notice; returns its event id. The same `once` posts it once."""
        return await self._send("m.room.message", _notice(plain, html), once=once)

    async def edit(self, event_id: str, plain: str, html: str) -> None:
        """Replace what a notice says."""
        await self._send("m.room.message", _edit(event_id, plain, html))

    async def react(self, event_id: str, key: str) -> str:
        """React to an event; returns the reaction's event id."""
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        return await self._send(
            "m.reaction", {"m.relates_to": relation}, patience=_REACTION_PATIENCE
        )

    async def take_back(self, event_id: str) -> None:
        """Remove something of our own, a reaction for instance."""
        await self._session.ask(
            self._session.client.room_redact,
            self._room_id,
            event_id,
            tx_id=secrets.token_hex(8),
            patience=_REACTION_PATIENCE,
        )

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
                    self._room_id, kind, content, transaction, ignore_unverified_devices=True
                )
            except BaseException:
                # nio leaves this mark behind when it fails here, and would wait for it for ever.
                mark = client.sharing_session.pop(self._room_id, None)
                if mark is not None:
                    mark.set()
                raise

        async with self._turn:
            sent = await self._session.ask(send, patience=patience)
        return str(sent.event_id)
