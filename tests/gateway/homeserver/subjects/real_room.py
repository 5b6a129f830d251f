"""The admin room of a real continuwuity or tuwunel, in which an admin's access token speaks.

PORTER_TEST_CONTINUWUITY (or _TUWUNEL) is the server's address, ..._TOKEN the access token, ..._ROOM
the room's id. It is given as the bot gives it, without a database between.
"""

import asyncio
from contextlib import suppress
from datetime import timedelta
from secrets import token_hex
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway.homeserver.admin_room import AdminRoom
from gateway.homeserver.homeserver import NotYet, Restriction
from gateway.homeserver.room_accounts import RoomAccounts
from gateway.homeserver.room_commands import LIST, Dialect
from gateway.homeserver.room_server import RoomServer
from gateway.homeserver.room_tokens import RoomTokens
from gateway.rules.replies import listed
from tests.gateway.homeserver.subjects.subject import PATIENCE, Ground, Subject, names_at

_PASSWORD = "a-long-pass-word-of-mine"  # of everybody who signs up here, see `Applicant`
_GLANCE = 0.2  # seconds between two looks for a reply


class RealRoom(AdminRoom):
    """Gives each command once for a key, and finds the reply to it."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, access_token: str, room_id: str
    ) -> None:
        self._session = session
        self._room = f"{url}/_matrix/client/v3/rooms/{quote(room_id, safe='')}"
        self._headers = {"Authorization": f"Bearer {access_token}"}
        self._events: dict[str, str] = {}

    async def order(self, key: str, command: str) -> str:
        if key not in self._events:
            self._events[key] = ""  # nobody else gives it meanwhile
            words = {"msgtype": "m.text", "body": command}
            path = f"/send/m.room.message/{token_hex(8)}"
            self._events[key] = (await self._ask("PUT", path, json=words))["event_id"]
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE.total_seconds()):
                while (reply := await self._reply_to(key)) is None:
                    await asyncio.sleep(_GLANCE)
                return reply
        raise NotYet("the homeserver did not reply in its admin room")

    async def discard(self, key: str) -> str | None:
        reply = await self._reply_to(key) if key in self._events else None
        return None if self._events.pop(key, None) is None else reply or ""

    async def check(self) -> None:
        await self._ask("GET", "/joined_members")

    async def _reply_to(self, key: str) -> str | None:
        messages = await self._ask("GET", "/messages", params={"dir": "b", "limit": "100"})
        for event in messages["chunk"]:
            relation = event.get("content", {}).get("m.relates_to", {})
            meant = relation.get("m.in_reply_to", relation).get("event_id")
            if meant is not None and meant == self._events[key]:
                return str(event["content"].get("body", ""))
        return None

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        async with self._session.request(
            method, self._room + path, headers=self._headers, **more
        ) as response:
            assert response.status == 200, (path, response.status)
            return await response.json()


class RealRoomSubject(Subject):
    """Nothing goes wrong on a wish there. What keeps somebody out is seen as he sees it."""

    def __init__(
        self, ground: Ground, url: str, room: RealRoom, server_name: str, dialect: Dialect
    ) -> None:
        super().__init__(ground.session)
        self.url = url
        self._room = room
        self.ends_tokens = dialect.ages
        if self.ends_tokens:
            self.lag = 1.0
        names = names_at(ground.session, url)
        self.homeserver = RoomServer(
            dialect,
            RoomTokens(room, dialect, memory=timedelta()),
            RoomAccounts(room, dialect, names, server_name),
            names,
        )

    async def values(self) -> set[str]:
        """As the room lists them."""
        found = listed(await self._room.order(token_hex(8), LIST))
        assert found is not None
        return set(found)

    async def restrictions(self, name: str) -> set[Restriction]:
        status, answer = await self._client(
            "login",
            None,
            type="m.login.password",
            identifier={"type": "m.id.user", "user": name},
            password=_PASSWORD,
        )
        if status == 200:
            _, answer = await self._client("createRoom", answer["access_token"])
        found = {
            "M_USER_DEACTIVATED": Restriction.DEACTIVATED,
            "M_FORBIDDEN": Restriction.DEACTIVATED,  # his password is gone
            "M_USER_LOCKED": Restriction.LOCKED,
            "M_USER_SUSPENDED": Restriction.SUSPENDED,
        }
        return {found[answer["errcode"]]} if "errcode" in answer else set()

    async def _client(self, path: str, token: str | None, **body: Any) -> tuple[int, Any]:
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        async with self.session.post(
            f"{self.url}/_matrix/client/v3/{path}", json=body, headers=headers
        ) as response:
            return response.status, await response.json()
