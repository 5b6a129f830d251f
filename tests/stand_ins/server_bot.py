"""The homeserver's own user in its admin room, on a real Synapse that has neither.

He is @conduit, opens a plain room #admins, and obeys `!admin` from whoever is in it, as the
conduwuit family does; what he issues and revokes, Synapse issues and revokes. He can be slow, say
things twice, say nothing, or say nonsense.
"""

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any
from urllib.parse import quote

import aiohttp

from bot.demo.synapse import Synapse
from tests.stand_ins.admin_commands import AdminCommands

_TURN = 10_000  # milliseconds that one sync waits for news
_TOKENS = "/_synapse/admin/v1/registration_tokens"
_LIMIT = 20.0  # seconds that a test waits for something said in the room


class ServerBot:
    """Open it, and it answers; the attributes say how."""

    def __init__(self, synapse: Synapse, commands: AdminCommands) -> None:
        self.user = f"@conduit:{synapse.server_name}"
        self.room_id = ""
        self.commands = commands
        self.is_deaf = False  # he does nothing and says nothing
        self.is_mute = False  # he does it, and says nothing
        self.times = 1  # how often he says each reply
        self.in_threads = False  # tuwunel's admin_output_threads
        self.garble: Callable[[str], str | None] = lambda reply: reply  # None: he sends a file
        self.before_reply: Callable[[], Awaitable[None]] | None = None
        self.heard: list[str] = []  # every command that he obeyed
        self._synapse = synapse
        self._news = asyncio.Condition()
        self._events: list[dict[str, Any]] = []
        self._listening: asyncio.Task[None] | None = None

    async def open(self, *invited: str, is_encrypted: bool = False, **more: Any) -> None:
        """Log in, open the room and take over its alias."""
        token = await self._synapse.register_user("conduit", "pass-word-1", admin=True)
        self._session = aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"})
        algorithm = {"algorithm": "m.megolm.v1.aes-sha2"}
        encryption = {"type": "m.room.encryption", "state_key": "", "content": algorithm}
        state = [encryption] if is_encrypted else []
        wish = {"preset": "private_chat", "invite": invited, "initial_state": state} | more
        self.room_id = (await self._client("POST", "createRoom", wish))["room_id"]
        self.alias = f"#admins:{self._synapse.server_name}"
        place = f"directory/room/{quote(self.alias)}"
        await self._client("DELETE", place, expected=(200, 404))
        await self._client("PUT", place, {"room_id": self.room_id})
        self._listening = asyncio.create_task(self._listen(), name="server bot")

    async def close(self) -> None:
        """Fall silent."""
        if self._listening is not None:
            self._listening.cancel()
            with suppress(asyncio.CancelledError):
                await self._listening
        await self._session.close()

    async def invite(self, user: str) -> None:
        await self._client("POST", f"rooms/{self.room_id}/invite", {"user_id": user})

    async def say(self, body: str, **more: Any) -> str:
        """Say something, as a notice unless `more` says otherwise; returns its event id."""
        content = {"msgtype": "m.notice", "body": body} | more
        path = f"rooms/{self.room_id}/send/m.room.message/{secrets.token_hex(8)}"
        return str((await self._client("PUT", path, content))["event_id"])

    async def until(self, found: Callable[[], Any]) -> Any:
        """Wait until something is so, looking whenever something was said."""
        async with asyncio.timeout(_LIMIT), self._news:
            await self._news.wait_for(found)
        return found()

    async def alive(self) -> set[str]:
        """The tokens that Synapse would take now, of those that were issued here."""
        found = await self._ask("GET", f"{_TOKENS}?valid=true")
        valid = {each["token"] for each in found["registration_tokens"]}
        return valid & set(self.commands.tokens)

    def said_by(self, user: str) -> list[dict[str, Any]]:
        """What a member said in the room, as events."""
        return [each for each in self._events if each["sender"] == user]

    async def _listen(self) -> None:
        only = {"rooms": [self.room_id], "timeline": {"limit": 100}, "ephemeral": {"types": []}}
        filter = quote(json.dumps({"room": only, "presence": {"types": []}}))
        since = ""
        while True:
            path = f"sync?filter={filter}&timeout={_TURN}{since}"
            news = await self._client("GET", path)
            joined = news.get("rooms", {}).get("join", {}).get(self.room_id)
            since = f"&since={news['next_batch']}"
            for event in joined["timeline"]["events"] if joined else ():
                await self._take(event)
            async with self._news:
                self._news.notify_all()

    async def _take(self, event: dict[str, Any]) -> None:
        if event["type"] != "m.room.message" or event["sender"] == self.user:
            return
        self._events.append(event)
        body = str(event["content"].get("body", "")).lstrip()
        if not body.startswith("!admin") or self.is_deaf:
            return
        await self._count()
        before = dict(self.commands.tokens)
        reply = self.commands.answer(body)
        self.heard.append(body)
        await self._mirror(before)
        if self.before_reply is not None:
            await self.before_reply()
        for _ in range(0 if self.is_mute else self.times):
            await self._reply(event["event_id"], self.garble(reply))

    async def _reply(self, to: str, words: str | None) -> None:
        relation: dict[str, Any] = {"m.in_reply_to": {"event_id": to}}
        if self.in_threads:
            relation = {"rel_type": "m.thread", "event_id": to}
        more: dict[str, Any] = {"m.relates_to": relation}
        if words is None:
            more |= {"msgtype": "m.file", "filename": "output.md", "url": "mxc://porter/output"}
            words = "Output was too large to send as text."
        await self.say(words, **more)

    async def _count(self) -> None:
        """See how many accounts Synapse opened for each token."""
        for each in (await self._ask("GET", _TOKENS))["registration_tokens"]:
            if each["token"] in self.commands.tokens:
                self.commands.count(each["token"], each["completed"])

    async def _mirror(self, before: dict[str, Any]) -> None:
        """Let Synapse have the tokens that are in force here."""
        for value, live in self.commands.tokens.items():
            if value not in before:
                await self._ask(
                    "POST", f"{_TOKENS}/new", {"token": value, "uses_allowed": live.uses}
                )
        for value in before.keys() - self.commands.tokens.keys():
            await self._ask("DELETE", f"{_TOKENS}/{value}")

    async def _client(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        return await self._ask(method, f"/_matrix/client/v3/{path}", body, **more)

    async def _ask(
        self, method: str, path: str, body: Any = None, expected: tuple[int, ...] = (200,)
    ) -> Any:
        async with self._session.request(method, self._synapse.url + path, json=body) as answer:
            assert answer.status in expected, (method, path, await answer.text())
            return await answer.json()
