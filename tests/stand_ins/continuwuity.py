"""A homeserver with an admin room, continuwuity or tuwunel, and the bot in that room.

Sign-ups are over HTTP as in `conduwuit`; the room is in this process. The bot here does with the
orders in the database what `bot.orders` does: gives each once, finds what it gave before a crash,
and brings the replies back.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.replies import token_in
from gateway.store import admin_room, orders
from gateway.store.admin_room import Reading
from gateway.store.database import Database
from gateway.store.orders import Order
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.conduwuit import Conduwuit

LINK = "https://porter.localhost/_continuwuity/account/register/?flow=trusted&token="
_TURN = 0.005  # seconds between two turns of the bot


class Continuwuity(Conduwuit):
    """Its tokens are those that its admin room issues. `kind` may be tuwunel, too."""

    name, version = "continuwuity", "26.8.0"

    def __init__(self, kind: str = "continuwuity", **more: Any) -> None:
        super().__init__()
        self.commands = AdminCommands(
            kind, people=self.accounts, server_name=self.server_name, **more
        )

    def asks_for_token(self) -> bool:
        return True

    def tokens(self) -> set[str]:
        return self.commands.in_force()

    def takes(self, token: str) -> bool:
        return self.commands.use(token.strip())


@dataclass
class Said:
    """A reply in the room that the bot has not heard yet, and how often it will stand there."""

    to: str
    text: str
    times: int = 1


class AdminRoom:
    """The room and our bot in it. `moods` say how the next commands go:

    "fine"; "twice": it is said twice; "again": it is carried out twice; "late": it is said when
    `speak` is called; "panic", "file": the reply is one of these; "deaf": the command is not heard,
    as in a crash; "mute": it is carried out, and the reply is lost.
    """

    def __init__(self, database: Database, commands: AdminCommands, clock: Clock = utc_now) -> None:
        self.commands = commands
        self.moods: deque[str] = deque()
        self.is_away = False  # the bot
        self.is_seen = True  # he notes each turn, not only what he hears
        self.given: list[str] = []  # every command that stands in the room
        self.held: list[Said] = []
        self.untold: set[str] = set()  # tokens that no reply will ever tell of
        self._database = database
        self._clock = clock
        self._heard: list[Said] = []
        self._events: dict[int, str] = {}  # the orders that stand in the room
        self._unread: list[int] = []  # those of them that the bot has not read there

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """The bot takes its turns, all the while."""
        task = asyncio.create_task(self._work(), name="bot in the admin room")
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _work(self) -> None:
        while True:
            await self.turn()
            await asyncio.sleep(_TURN)

    async def turn(self) -> None:
        """Hear what was said, and give what is to be given."""
        if self.is_away:
            return
        now, said, seen = self._clock(), [*self._heard], [*self._unread]
        if said or seen or self.is_seen:
            await self._database.write(lambda c: self._keep(c, said, seen, now))
        # A bot that falls before this hears it once more.
        del self._heard[: len(said)], self._unread[: len(seen)]
        for order in await self._database.read(lambda c: orders.to_give(c, 4)):
            await self.give(order)

    async def give(self, order: Order) -> None:
        """Say a command, and note that it is said."""
        event_id = self.say(order)
        now = self._clock()
        await self._database.write(lambda c: orders.given(c, order.id, event_id, now))

    def say(self, order: Order) -> str:
        """Say a command, once: the transaction's id follows from the order. Returns its event."""
        if order.id in self._events:
            return self._events[order.id]
        event_id = self._events[order.id] = f"$order{order.id}"
        self._unread.append(order.id)
        self.given.append(order.command)
        mood = self.moods.popleft() if self.moods else "fine"
        if mood == "deaf":
            return event_id
        if mood == "panic":
            text = "Panic occurred while processing command:\n```\nPANIC!\n```\nPlease submit"
        else:
            text = self.commands.answer(order.command)
        if mood == "again":
            self._heard.append(Said(event_id, self.commands.answer(order.command)))
        if mood == "file":
            self.untold.add(token_in(text) or "")
            text = "Output was too large to send as text."
        if mood == "late":
            self.held.append(Said(event_id, text))
        elif mood == "mute":
            self.untold.add(token_in(text) or "")
        else:
            self._heard.append(Said(event_id, text, 2 if mood == "twice" else 1))
        return event_id

    async def give_up(self) -> None:
        """No reply is awaited any more, as after ten minutes of silence."""
        now = self._clock()
        for order in await self._database.read(orders.awaited):
            await self._database.write(lambda c, order=order: orders.discard(c, order.id, now))

    def serve(self, database: Database) -> None:
        """A bot that was started anew has another way to the same database."""
        self._database = database

    def speak(self) -> None:
        """What was late is said."""
        self._heard += self.held
        self.held = []

    def _keep(
        self, connection: Connection, said: list[Said], seen: list[int], now: datetime
    ) -> None:
        for order_id in seen:  # our own commands are read, too
            orders.given(connection, order_id, self._events[order_id], now)
        for each in said:
            for _ in range(each.times):
                orders.answered(connection, each.to, each.text, now)
        admin_room.keep(connection, Reading("!admins", "$newest", 0, now))
