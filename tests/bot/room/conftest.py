"""A moderators' room on a real homeserver: people with a real client, and the bot in its room."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from nio import Api, AsyncClient, AsyncClientConfig

from bot.answers import Answer, code
from bot.demo.synapse import Synapse
from bot.room.alerts import RoomAlert
from bot.room.inbox import Command
from bot.room.power import Rule
from bot.room.room import Room
from bot.room.session import Session


class Person:
    """A member with a Matrix client of his own, keys included."""

    def __init__(self, client: AsyncClient) -> None:
        self.client = client
        self.user = client.user_id
        self.events: dict[str, Any] = {}

    async def sync(self, wait: int = 0) -> None:
        answer = await self.client.sync(timeout=wait)
        if self.client.should_upload_keys:
            await self.client.keys_upload()
        if self.client.should_query_keys:
            await self.client.keys_query()
        for room in answer.rooms.join.values():
            for event in room.timeline.events:
                self.events[event.event_id] = event

    async def open_room(
        self, *members: str, version: str = "12", encrypted: bool = False, **create: Any
    ) -> str:
        state = [{"type": "m.room.encryption", "content": {"algorithm": "m.megolm.v1.aes-sha2"}}]
        body: dict[str, Any] = {
            "invite": members,
            "room_version": version,
            "preset": "private_chat",
            "initial_state": state if encrypted else [],
            "creation_content": create,
        }
        head = {"Authorization": f"Bearer {self.client.access_token}"}
        path = "/_matrix/client/v3/createRoom"
        async with await self.client.send("POST", path, Api.to_json(body), head) as answer:
            room_id = str((await answer.json())["room_id"])
        await self.sync()
        return room_id

    async def join(self, room: str) -> None:
        await self.client.join(room)
        await self.sync()

    async def say(self, room: str, body: str, **more: Any) -> str:
        content = {"msgtype": "m.text", "body": body} | more
        await self.sync()
        sent = await self.client.room_send(
            room, "m.room.message", content, ignore_unverified_devices=True
        )
        return str(sent.event_id)

    async def until(self, found: Callable[[], Any], limit: float = 20) -> Any:
        async with asyncio.timeout(limit):
            while not (result := found()):
                await self.sync(200)
        return result

    def contents(self, kind: str = "m.room.message") -> list[dict[str, Any]]:
        return [e.source["content"] for e in self.events.values() if e.source["type"] == kind]

    def answers_to(self, event_id: str) -> list[dict[str, Any]]:
        def target(content: dict[str, Any]) -> Any:
            return content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id")

        return [each for each in self.contents() if target(each) == event_id]

    async def react(self, room: str, event_id: str, key: str) -> str:
        relation = {"rel_type": "m.annotation", "event_id": event_id, "key": key}
        content = {"m.relates_to": relation}
        sent = await self.client.room_send(
            room, "m.reaction", content, ignore_unverified_devices=True
        )
        return str(sent.event_id)

    def reactions_to(self, event_id: str) -> list[str]:
        relations = [each.get("m.relates_to", {}) for each in self.contents("m.reaction")]
        return [each["key"] for each in relations if each.get("event_id") == event_id]

    async def answer_to(self, event_id: str) -> dict[str, Any]:
        return (await self.until(lambda: self.answers_to(event_id)))[0]

    async def event_answering(self, event_id: str) -> str:
        """The id of the answer to an event."""
        answer = await self.answer_to(event_id)
        return next(id for id, e in self.events.items() if e.source["content"] is answer)

    async def ask(self, room: str, body: str, **more: Any) -> dict[str, Any]:
        """Say something and wait for the answer to it."""
        return await self.answer_to(await self.say(room, body, **more))


class Book:
    """What the bot's owner lends it: commands, the memory of events, and alerts."""

    def __init__(self) -> None:
        self.commands: list[Command] = []
        self.held: list[Command] = []
        self.begun: dict[str, int] = {}
        self.known: set[str] = set()  # what was answered
        self.offers: dict[str, dict[str, str]] = {}
        self.alerts: list[RoomAlert] = []
        self.rooms: list[str] = []
        self.act: Callable[[Command], Awaitable[Answer]] = self.echo

    async def echo(self, command: Command) -> Answer:
        return Answer((("Heard ", code(command.text)),))

    async def begin(self, event_id: str) -> int | None:
        if event_id in self.known:
            return None
        self.begun[event_id] = self.begun.get(event_id, 0) + 1
        return self.begun[event_id]

    async def carry_out(self, command: Command, time: int) -> Answer:
        self.commands.append(command)
        return await self.act(command)

    async def hold(self, command: Command) -> Answer:
        self.held.append(command)
        return Answer(("Too late.",), ok=False, asks=True, offers=(("✅", "confirm 1"),))

    async def answered(self, event_id: str) -> None:
        self.known.add(event_id)

    async def rest(self) -> None:
        """Wait until whatever was begun is remembered as answered."""
        async with asyncio.timeout(10):
            while not self.begun.keys() <= self.known:
                await asyncio.sleep(0.01)

    async def warn(self, warnings: Sequence[str]) -> None:
        self.warnings = list(warnings)

    async def offer(self, event_id: str, offers: Sequence[tuple[str, str]]) -> None:
        self.offers[event_id] = dict(offers)

    async def offered(self, event_id: str, key: str) -> str | None:
        return self.offers.get(event_id, {}).get(key.removesuffix("\ufe0f"))

    async def enter(self, room_id: str) -> None:
        self.rooms.append(room_id)

    async def pending(self) -> list[RoomAlert]:
        return list(self.alerts)

    async def posted(self, id: int, event_id: str, offered: Sequence[tuple[str, str]]) -> None:
        await self.offer(event_id, offered)

    async def shown(
        self, id: int, version: int, event_id: str | None, details_event_id: str | None
    ) -> None:
        self.alerts = [each for each in self.alerts if (each.id, each.version) != (id, version)]
        self.shown_as = (event_id, details_event_id)

    @property
    def texts(self) -> list[str]:
        return [each.text for each in self.commands]


class House:
    """Makes people and bots on one homeserver, and ends them with the test."""

    def __init__(self, synapse: Synapse, folder: Path, stack: AsyncExitStack) -> None:
        self.synapse = synapse
        self.folder = folder
        self.stack = stack

    async def person(self, name: str) -> Person:
        name = f"{name}-{secrets.token_hex(4)}"
        await self.synapse.register_user(name, "pass-word-1")
        return await self.person_as(f"@{name}:porter.localhost", "pass-word-1")

    async def person_as(self, user: str, password: str) -> Person:
        """Another device of an account."""
        store = self.folder / secrets.token_hex(4)
        store.mkdir()
        config = AsyncClientConfig(store_sync_tokens=False, max_timeouts=2)
        client = AsyncClient(self.synapse.url, user, store_path=str(store), config=config)

        async def close() -> None:
            await client.close()
            client.store.database.close()

        self.stack.push_async_callback(close)
        await client.login(password)
        person = Person(client)
        await person.sync()
        return person

    async def bot_user(self) -> str:
        name = f"porter-{secrets.token_hex(4)}"
        await self.synapse.register_user(name, "bot-pass-word")
        return f"@{name}:porter.localhost"

    def session(self, user: str, **more: Any) -> Session:
        given: dict[str, Any] = {
            "homeserver_url": self.synapse.url,
            "user": user,
            "password": "bot-pass-word",
            "access_token": None,
            "device_name": "Porter",
            "folder": self.folder / "bot",
        }
        return Session(**(given | more))

    def room(
        self, user: str, room: str, book: Book, session: Session | None = None, **more: Any
    ) -> Room:
        given: dict[str, Any] = {
            "session": session or self.session(user),
            "room": room,
            "rule": Rule(50),
            "command_age": timedelta(hours=1),
            "ledger": book,
            "alerts": book,
        }
        return Room(**(given | more))

    async def start(self, bot: Room, wait: bool = True) -> "asyncio.Task[None]":
        """Run a bot until `stop`, or until the test ends."""
        task = asyncio.create_task(bot.run())
        self.stack.push_async_callback(self.stop, task)
        if wait:
            ready = asyncio.create_task(bot.ready.wait())
            await asyncio.wait({ready, task}, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            if task.done():
                await task
            assert bot.ready.is_set()
        return task

    async def stop(self, task: "asyncio.Task[None]") -> None:
        task.cancel()
        with suppress(asyncio.CancelledError, Exception):
            await task


@pytest.fixture
async def house(synapse: Synapse, tmp_path: Path) -> AsyncIterator[House]:
    async with AsyncExitStack() as stack:
        yield House(synapse, tmp_path, stack)


@pytest.fixture
def book() -> Book:
    return Book()
