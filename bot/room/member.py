"""A member of the room with a client of his own: what a moderator does, for the demo and tests."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.room.session import Refused, Session, Unanswered

_ANSWER_LIMIT = 60.0  # seconds; an answer may wait for keys and for a slow machine
_TURN = 1000  # milliseconds that one sync waits for news


class Member:
    """Logs in, opens a room, says things in it, and hears what is answered."""

    def __init__(self, homeserver_url: str, user: str, password: str, folder: Path) -> None:
        self.user = user
        self._session = Session(
            homeserver_url=homeserver_url,
            user=user,
            password=password,
            access_token=None,
            device_name="Porter's demo",
            folder=folder,
        )
        self._room_id = ""
        self._answers: dict[str, list[str]] = {}  # by the event that was answered
        self._notices: dict[str, str] = {}  # by their own event, as they were edited last
        self._said: dict[str, str] = {}  # both, by their own event
        self._news = asyncio.Condition()
        self._listening: asyncio.Task[None] | None = None

    async def open(self, alias: str, *, invite: str, encrypted: bool = True) -> None:
        """Log in, open a room by the local part of an alias, invite somebody, and listen.

        Raises RoomError, Refused or Unanswered.
        """
        await self._session.open()
        algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
        encryption = {"type": "m.room.encryption", "state_key": "", "content": algorithm}
        made = await self._session.ask(
            self._session.client.room_create,
            alias=alias,
            name="Moderators of the registration desk",
            invite=[invite],
            initial_state=[encryption] if encrypted else [],
        )
        self._room_id = str(made.room_id)
        self._listening = asyncio.create_task(self._listen(), name="member")

    async def close(self) -> None:
        """Stop listening; the device stays logged in."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self._session.close()

    async def has_joined(self, user: str) -> None:
        """Wait until somebody is in the room. Raises TimeoutError."""
        await self._until(lambda: user in self._members())

    async def ask(self, text: str) -> str:
        """Say something and wait for the reply to it; returns its words. Raises TimeoutError."""
        return (await self.answers_to(await self.say(text)))[0]

    async def say(self, text: str) -> str:
        """Say something; returns its event id."""
        sent = await self._session.ask(
            self._session.client.room_send,
            self._room_id,
            "m.room.message",
            {"msgtype": "m.text", "body": text},
            ignore_unverified_devices=True,
        )
        return str(sent.event_id)

    async def answers_to(self, event_id: str) -> list[str]:
        """Wait for a reply to an event; returns the words of every one. Raises TimeoutError."""
        await self._until(lambda: event_id in self._answers)
        return self._answers[event_id]

    @property
    def answered(self) -> list[str]:
        """The events that were answered, in the order of their answers."""
        return [*self._answers]

    async def notice(self, wanted: Callable[[str], bool]) -> str:
        """Wait for a notice that is no reply and whose words are wanted. Raises TimeoutError."""
        await self._until(lambda: any(map(wanted, self._notices.values())))
        return next(filter(wanted, self._notices.values()))

    async def react(self, wanted: Callable[[str], bool], key: str) -> None:
        """React to the newest message whose words are wanted, once there is one.

        Raises TimeoutError.
        """
        await self._until(lambda: any(map(wanted, self._said.values())))
        event_id = next(id for id, words in reversed(self._said.items()) if wanted(words))
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        await self._session.ask(
            self._session.client.room_send,
            self._room_id,
            "m.reaction",
            {"m.relates_to": relation},
            ignore_unverified_devices=True,
        )

    def _members(self) -> set[str]:
        room = self._session.client.rooms.get(self._room_id)
        return set() if room is None else {*room.users} - {*room.invited_users}

    async def _until(self, found: Callable[[], bool]) -> None:
        async with asyncio.timeout(_ANSWER_LIMIT), self._news:
            await self._news.wait_for(found)

    async def _listen(self) -> None:
        client = self._session.client
        while True:
            try:
                news = await self._session.ask(client.sync, timeout=_TURN)
                if client.should_upload_keys:
                    await self._session.ask(client.keys_upload)
                if client.should_query_keys:
                    await self._session.ask(client.keys_query)
            except (Refused, Unanswered):
                await asyncio.sleep(1)
                continue
            joined = news.rooms.join.get(self._room_id)
            for event in joined.timeline.events if joined else ():
                self._note(event)
            async with self._news:
                self._news.notify_all()

    def _note(self, event: Any) -> None:
        content = event.source.get("content", {})
        if event.sender == self.user or content.get("msgtype") != "m.notice":
            return
        relation = content.get("m.relates_to", {})
        words, event_id = str(content.get("body", "")), event.event_id
        if relation.get("rel_type") == "m.replace":
            words, event_id = str(content["m.new_content"].get("body", "")), relation["event_id"]
        asked = relation.get("m.in_reply_to", {}).get("event_id")
        if asked:
            self._answers.setdefault(asked, []).append(words)
        else:
            self._notices[event_id] = words
        self._said[event_id] = words
