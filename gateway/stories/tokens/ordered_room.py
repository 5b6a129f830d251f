"""The story of an order: placed in the database, given in the admin room by the bot, replied to.

Gateway and bot may be two processes; they meet in the database alone. A reply is waited for as long
as the homeserver may take. After that the wish is told NotYet, its order stays placed, and what
waits for it is hurried when the reply comes (see `gateway.store.orders`).
"""

import asyncio
from collections.abc import Awaitable
from datetime import timedelta
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import HomeserverError, NotYet
from gateway.store import admin_room, orders
from gateway.store.database import Database, complaint
from gateway.store.orders import Order

T = TypeVar("T")

_GLANCE = timedelta(seconds=0.1)  # between two looks for a reply
# The bot reads the room every few seconds, and an order takes it a moment.
_OVERDUE = timedelta(minutes=1)


class OrderedRoom:
    """The admin room, as `gateway.homeserver.admin_room` has it; `patience` is how long a reply is
    waited for."""

    def __init__(self, database: Database, patience: timedelta, clock: Clock = utc_now) -> None:
        self._database = database
        self._patience = patience
        self._clock = clock

    async def order(self, key: str, command: str) -> str:
        """The reply to the command of a key. Raises NotYet."""
        now = self._clock()
        order = await _usable(self._database.read(lambda c: orders.of(c, key)))
        if order is None:
            order = await _usable(
                self._database.write(lambda c: orders.place(c, key, command, now))
            )
        glances = 0 if order.reply else round(await self._patience_for(order) / _GLANCE)
        while order.reply is None and glances > 0:
            await asyncio.sleep(_GLANCE.total_seconds())
            glances -= 1
            order = await self._look(order)
        if order.reply is None:
            raise NotYet(_owing(order))
        return order.reply

    async def discard(self, key: str) -> str | None:
        """Call the order of a key off, unless it has made a token."""
        now = self._clock()

        def discard(connection: Connection) -> str | None:
            order = orders.of(connection, key)
            if order is None:
                return None
            orders.discard(connection, order.id, now)
            return order.reply or ""

        return await _usable(self._database.write(discard))

    async def check(self) -> None:
        """Look whether the bot is in the room, and for orders that nobody carries out."""
        reading, oldest = await _usable(
            self._database.read(lambda c: (admin_room.last(c), orders.oldest_open(c)))
        )
        if reading is None:
            raise HomeserverError("the bot has never read the homeserver's admin room")
        if self._clock() - reading.read_at > _OVERDUE:
            since = f"{reading.read_at:%Y-%m-%d %H:%M} UTC"
            raise HomeserverError(f"the bot has not read the homeserver's admin room since {since}")
        if oldest is not None and self._age(oldest) > _OVERDUE:
            raise HomeserverError(_owing(oldest))

    async def _patience_for(self, order: Order) -> timedelta:
        """How long it is waited for: not at all when the bot does not come to orders these days,
        since a thousand mails may each have theirs."""
        first = await _usable(self._database.read(lambda c: orders.to_give(c, 1)))
        return self._patience - max(map(self._age, (order, *first)))

    async def _look(self, order: Order) -> Order:
        found = await _usable(self._database.read(lambda c: orders.get(c, order.id)))
        if found is None or found.discarded_at is not None:
            raise NotYet("the order for the homeserver's admin room was called off")
        return found

    def _age(self, order: Order) -> timedelta:
        """How long it has been standing; none when the clock was set back since."""
        return max(timedelta(), self._clock() - order.at)


def _owing(order: Order) -> str:
    if order.given_at is None:
        return "the bot has not asked in the homeserver's admin room yet"
    return "the homeserver has not replied in its admin room yet"


async def _usable(work: Awaitable[T]) -> T:
    try:
        return await work
    except SQLAlchemyError as error:
        reason = complaint(error)
        raise HomeserverError(f"the homeserver's admin room cannot be asked: {reason}") from error
