"""The bot in the homeserver's admin room: orders are given once, and replies come back."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from bot.room import admin_room
from bot.room.admin_inbox import Given, Heard, NewAccount, Reply
from bot.room.admin_room import AdminRoom, Position, RoomOrder
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.server_bot import ServerBot

ISSUE = "!admin token issue --once"


class Desk:
    """What the bot's owner lends it here."""

    def __init__(self) -> None:
        self.orders: dict[int, RoomOrder] = {}
        self.events: dict[int, str] = {}  # the command of each order that was given
        self.given_at: dict[int, float] = {}
        self.replies: dict[int, list[str]] = {}
        self.given_up: list[int] = []
        self.said: list[Heard] = []
        self.at: Position | None = None
        self.warnings: list[str] = []
        self.note = True  # whether it hears that an order was given
        self.changed = asyncio.Event()

    def place(self, *numbers: int) -> None:
        for number in numbers:
            self.orders[number] = RoomOrder(number, f"mark-{number}", ISSUE)

    async def position(self, room_id: str) -> Position | None:
        return self.at if self.at and self.at.room_id == room_id else None

    async def heard(self, said: Sequence[Heard], position: Position) -> None:
        self.said += said
        self.at = position
        for each in said:
            if isinstance(each, Given):
                self._give(each.number, each.event_id)
            elif isinstance(each, Reply):
                for number, event_id in self.events.items():
                    if event_id == each.to:
                        self.replies.setdefault(number, []).append(each.text)
        self.changed.set()

    async def waiting(self, most: int) -> list[RoomOrder]:
        done = {*self.replies, *self.given_up}
        now = time.monotonic()
        return [
            replace(each, awaited_for=now - self.given_at[each.id])
            if each.id in self.events
            else each
            for each in self.orders.values()
            if each.id not in done
        ][:most]

    async def given(self, id: int, event_id: str) -> None:
        if not self.note:
            raise OSError("the plug is pulled")
        self._give(id, event_id)

    def _give(self, id: int, event_id: str) -> None:
        self.events.setdefault(id, event_id)
        self.given_at.setdefault(id, time.monotonic())

    async def give_up(self, id: int) -> None:
        self.given_up.append(id)

    async def warn(self, warnings: Sequence[str]) -> None:
        self.warnings = list(warnings)
        self.changed.set()

    async def until(self, found: Any) -> None:
        async with asyncio.timeout(20):
            while not found():
                self.changed.clear()
                await self.changed.wait()

    @property
    def accounts(self) -> list[str]:
        return [each.name for each in self.said if isinstance(each, NewAccount)]


class Place:
    """The admin room, its server's bot, and ours."""

    def __init__(self, house: Any, server: ServerBot, bot: str) -> None:
        self.house = house
        self.server = server
        self.bot = bot
        self.desk = Desk()
        self.session = house.session(bot)
        self._task: asyncio.Task[None] | None = None

    def room(self, **more: Any) -> AdminRoom:
        given = {
            "session": self.session,
            "room": self.server.alias,
            "moderators_room": "!moderators:porter.localhost",
            "server_name": "porter.localhost",
            "desk": self.desk,
        }
        return AdminRoom(**(given | more))

    async def enter(self) -> AdminRoom:
        """Be in the room, and know where it stands, without running."""
        await self.session.open()
        await self.session.ask(self.session.client.join, self.server.room_id)
        room = self.room()
        await room.hear(self.server.room_id)
        return room

    async def run(self, **more: Any) -> None:
        if not self.session.is_open:
            await self.session.open()
        self._task = asyncio.create_task(self.room(**more).run())

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def commands(self) -> list[str]:
        return [each["content"]["body"] for each in self.server.said_by(self.bot)]


@pytest.fixture(autouse=True)
def _brief_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(admin_room, "EVERY", 0.1)
    monkeypatch.setattr(admin_room, "_REST", 0.2)


@pytest.fixture
async def place(house: Any, request: Any) -> AsyncIterator[Place]:
    bot = await house.bot_user()
    server = ServerBot(house.synapse, AdminCommands())
    await server.open(bot, **getattr(request, "param", {}))
    place = Place(house, server, bot)
    yield place
    await place.stop()
    await place.session.close()
    await server.close()


async def test_an_order_is_given_and_its_reply_comes_back(place):
    place.desk.place(1, 2)
    await place.run()
    await place.desk.until(lambda: len(place.desk.replies) == 2)
    assert place.commands() == [ISSUE, ISSUE]
    issued = [reply for (reply,) in place.desk.replies.values()]
    for reply, token in zip(issued, place.server.commands.tokens, strict=True):
        assert reply == f"New registration token issued: `{token}` . Expires after 1 uses."
    assert await place.server.alive() == set(place.server.commands.tokens)
    assert place.desk.warnings == []


async def test_an_order_that_was_given_before_a_crash_is_found(place):
    room = await place.enter()
    place.desk.place(1)
    place.desk.note = False
    with pytest.raises(OSError):
        await room.turn(place.server.room_id)
    place.desk.note = True
    await place.server.until(lambda: place.server.heard)
    await place.run()
    await place.desk.until(lambda: place.desk.replies)
    assert place.commands() == [ISSUE]
    assert len(await place.server.alive()) == 1


async def test_a_lost_answer_and_a_busy_homeserver_make_no_second_command(place, monkeypatch):
    room = await place.enter()
    place.desk.place(1)
    client, losses = place.session.client, iter([aiohttp.ServerDisconnectedError(), None])
    send = client.send

    async def lose(method: str, path: str, *more: Any) -> Any:
        answer = await send(method, path, *more)
        loss = next(losses, None) if method == "PUT" else None
        if loss is not None:
            raise loss  # the homeserver has it, and we do not know
        return answer

    monkeypatch.setattr(client, "send", lose)
    await room.turn(place.server.room_id)
    monkeypatch.undo()
    assert next(losses, None) is None
    await place.run()
    await place.desk.until(lambda: place.desk.replies)
    assert place.commands() == [ISSUE]


async def test_the_time_tells_what_was_heard_when_the_last_event_is_gone(place):
    room = await place.enter()
    await place.server.say('New user "@ann:porter.localhost" registered on this server.')
    in_two_hours = int((time.time() + 7200) * 1000)
    place.desk.at = Position(place.server.room_id, "$gone", in_two_hours)
    await room.hear(place.server.room_id)
    assert place.desk.accounts == []
    place.desk.at = Position(place.server.room_id, "$gone", in_two_hours - 2 * 3_600_000)
    await room.hear(place.server.room_id)
    assert place.desk.accounts == ["ann"]


async def test_a_homeserver_whose_clock_was_ahead_is_heard_when_it_is_right_again(place):
    room = await place.enter()
    place.desk.at = replace(place.desk.at, at=int((time.time() + 86_400) * 1000))
    await place.server.say('New user "@ann:porter.localhost" registered on this server.')
    await room.hear(place.server.room_id)
    assert place.desk.accounts == ["ann"]
    assert place.desk.at.at < (time.time() + 60) * 1000


async def test_a_command_of_another_database_is_not_taken_for_ours(place):
    room = await place.enter()
    place.desk.orders[1] = RoomOrder(1, "mark of another", ISSUE)
    await room.turn(place.server.room_id)
    given = Given(1, "mark of another", place.desk.events[1])
    await room.hear(place.server.room_id)
    assert given in place.desk.said  # the mark tells the desk whose it is


async def test_what_was_said_while_the_bot_was_away_is_heard(place):
    room = await place.enter()
    place.desk.place(1)
    await room.turn(place.server.room_id)
    await place.server.until(lambda: place.server.heard)
    await place.server.say('New user "@ann:porter.localhost" registered on this server.')
    for number in range(25):  # more than the first page
        await place.server.say(f"A log line, number {number}")
    await place.run()
    await place.desk.until(lambda: place.desk.accounts)
    assert place.desk.accounts == ["ann"]
    assert len(place.desk.replies[1]) == 1


async def test_what_was_said_before_the_first_run_is_not_heard(place):
    await place.server.say('New user "@ann:porter.localhost" registered on this server.')
    room = await place.enter()
    await room.hear(place.server.room_id)
    await place.server.say('New user "@bob:porter.localhost" registered on this server.')
    await room.hear(place.server.room_id)
    assert place.desk.accounts == ["bob"]


async def test_a_stranger_who_answers_is_not_believed(place):
    stranger = await place.house.person("eve")
    await place.server.invite(stranger.user)
    await stranger.join(place.server.room_id)
    place.server.is_mute = True
    place.desk.place(1)
    room = await place.enter()
    await room.turn(place.server.room_id)
    relation = {"m.in_reply_to": {"event_id": place.desk.events[1]}}
    await stranger.say(
        place.server.room_id,
        "New registration token issued: `mine`",
        msgtype="m.notice",
        **{"m.relates_to": relation},
    )
    await room.hear(place.server.room_id)
    assert place.desk.replies == {}


async def test_four_orders_wait_for_replies_at_a_time(place):
    place.server.is_deaf = True
    place.desk.place(*range(1, 8))
    room = await place.enter()
    for _ in range(3):
        await room.turn(place.server.room_id)
    assert list(place.desk.events) == [1, 2, 3, 4]


async def test_silence_is_told_and_then_the_order_is_given_up(place, monkeypatch):
    monkeypatch.setattr(admin_room, "_SILENCE", 0.1)
    monkeypatch.setattr(admin_room, "_PATIENCE", 0.4)
    place.server.is_deaf = True
    place.desk.place(1)
    await place.run()
    await place.desk.until(lambda: place.desk.warnings)
    assert place.desk.warnings == [
        f"homeserver.admin_room: @conduit:porter.localhost does not reply to {place.bot};"
        " is it an admin of the homeserver? Mails wait for the replies."
    ]
    await place.desk.until(lambda: place.desk.given_up)
    assert len(place.commands()) == 1
    place.server.is_deaf = False
    place.desk.place(2)
    await place.desk.until(lambda: place.desk.replies)
    await place.desk.until(lambda: not place.desk.warnings)


async def test_a_file_a_thread_and_a_repetition_are_replies_too(place):
    place.server.garble = lambda reply: None
    place.server.in_threads = True
    place.server.times = 2
    place.desk.place(1)
    await place.run()
    await place.desk.until(lambda: place.desk.replies)
    await place.stop()
    async with asyncio.timeout(10):
        while len(place.desk.replies[1]) < 2:
            await place.room().hear(place.server.room_id)
    assert place.desk.replies == {1: ["", ""]}


@pytest.mark.parametrize("place", [{"is_encrypted": True}], indirect=True)
async def test_nothing_is_said_in_an_encrypted_room(place):
    place.desk.place(1)
    await place.run()
    await place.desk.until(lambda: place.desk.warnings)
    assert place.desk.warnings == [
        "homeserver.admin_room: the room is encrypted, and the homeserver reads no commands there."
    ]
    await place.stop()
    assert place.commands() == []


async def test_the_moderators_room_is_not_the_admin_room(place):
    await place.run(moderators_room=place.server.room_id)
    await place.desk.until(lambda: place.desk.warnings)
    assert place.desk.warnings == [
        "homeserver.admin_room: this is the moderators' room too; name the homeserver's own admin"
        " room, whose alias is #admins:porter.localhost."
    ]


async def test_a_room_without_the_homeservers_own_user_is_not_the_admin_room(place):
    person = await place.house.person("mod")
    other = await person.open_room(place.bot)
    place.desk.place(1)
    await place.run(room=other)
    await place.desk.until(lambda: place.desk.warnings)
    assert place.desk.warnings == [
        "homeserver.admin_room: @conduit:porter.localhost is not in it, so it is not the"
        " homeserver's admin room, whose alias is #admins:porter.localhost."
    ]
    assert place.desk.events == {}


async def test_a_bot_that_is_not_invited_says_so_and_comes_in_once_it_is(place):
    other = await place.house.bot_user()
    place.bot, place.session = other, place.house.session(other)
    await place.run()
    await place.desk.until(lambda: place.desk.warnings)
    assert place.desk.warnings == [
        f"homeserver.admin_room: {other} is not in {place.server.alias}, and not invited; make it"
        f" an admin there with `!admin users make-user-admin {other}`."
    ]
    await place.server.invite(other)
    await place.desk.until(lambda: place.desk.warnings == [] and place.desk.at)


@pytest.mark.parametrize("place", [{"preset": "public_chat"}], indirect=True)
async def test_a_room_that_anybody_may_join_is_told(place):
    place.desk.place(1)
    await place.run()
    await place.desk.until(lambda: place.desk.replies)
    assert place.desk.warnings == [
        "homeserver.admin_room: anybody may join it, and be an admin of the homeserver; make it"
        " invite-only."
    ]
