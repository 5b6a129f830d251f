"""The desk's orders on their way into the homeserver's admin room, and what comes back from there.

What was heard and how far the room is read go into the database in one transaction: after a crash
nothing is heard twice, and nothing is missed.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bot.room.admin_inbox import Given, Heard, NewAccount, Reply
from bot.room.admin_room import Position, RoomOrder
from gateway.desk import Desk
from gateway.store import accounts, admin_room, orders
from gateway.store.admin_room import Reading
from gateway.store.orders import Order

BEAT = timedelta(seconds=15)  # how long a reading without news may stand in the database


class DeskOrders:
    """The admin room's desk: orders out of the database, replies and new accounts into it."""

    def __init__(self, desk: Desk) -> None:
        self._database = desk.database
        self._clock = desk.clock
        self._kept: Reading | None = None

    async def position(self, room_id: str) -> Position | None:
        """How far this room was read; None when it never was."""
        last = await self._database.read(admin_room.last)
        if last is None or last.room_id != room_id:
            return None
        return Position(room_id, last.event_id, last.sent_at)

    async def heard(self, said: Sequence[Heard], position: Position) -> None:
        """Keep what was heard, and that the room is read as far as this."""
        now = self._clock()
        reading = Reading(position.room_id, position.event_id, position.at, now)
        if not said and self._kept is not None and _is_fresh(self._kept, reading):
            return

        def keep(connection: Connection) -> None:
            for each in said:
                _take(connection, each, now)
            admin_room.keep(connection, reading)

        await self._database.write(keep)
        self._kept = reading

    async def waiting(self, most: int) -> Sequence[RoomOrder]:
        """Orders without a reply: those that were given, then those to be given, oldest first."""
        now = self._clock()

        def look(connection: Connection) -> list[Order]:
            awaited = orders.awaited(connection)
            room = max(0, most - len(awaited))
            return [*awaited, *(orders.to_give(connection, room) if room else ())]

        return [_for_room(each, now) for each in await self._database.read(look)]

    async def given(self, id: int, event_id: str) -> None:
        """An order stands in the room as this event."""
        now = self._clock()
        await self._database.write(lambda c: orders.given(c, id, event_id, now))

    async def give_up(self, id: int) -> None:
        """No reply is awaited any more: the wish may order anew, and a late token is an orphan."""
        now = self._clock()
        await self._database.write(lambda c: orders.discard(c, id, now))

    async def warn(self, warnings: Sequence[str]) -> None:
        """Keep what is wrong with the room now, and tell the moderators."""
        now = self._clock()
        await self._database.write(lambda c: admin_room.warn(c, warnings, now))


def _is_fresh(kept: Reading, reading: Reading) -> bool:
    is_same = (kept.room_id, kept.event_id) == (reading.room_id, reading.event_id)
    return is_same and timedelta() <= reading.read_at - kept.read_at < BEAT


def _take(connection: Connection, said: Heard, now: datetime) -> None:
    match said:
        case Given():
            order = orders.get(connection, said.number)
            # With another mark it was given for another database, by the same account.
            if order is not None and _mark(order) == said.mark:
                orders.given(connection, order.id, said.event_id, now)
        case Reply():
            orders.answered(connection, said.to, said.text, now)
        case NewAccount():
            accounts.seen(connection, said.name, now, said.at, said.ip)


def _for_room(order: Order, now: datetime) -> RoomOrder:
    # In either direction: a clock that was set back far must not make it wait for as long.
    awaited_for = None if order.given_at is None else abs((now - order.given_at).total_seconds())
    return RoomOrder(order.id, _mark(order), order.command, awaited_for)


def _mark(order: Order) -> str:
    """The same in each run, and another one in another database; tells nothing of the key."""
    whole = f"order {order.id} {order.at.isoformat()} {order.key}"
    return hashlib.sha256(whole.encode()).hexdigest()[:32]
