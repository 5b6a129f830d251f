"""The moderators' room: reads it, obeys those who may command, answers, and shows alerts.

The position in the room is kept after its events were handled, and each command is remembered when
it is answered: after a crash no command is lost, and none runs twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TypeVar

import structlog

from bot.room.address import Address
from bot.room.alerts import AlertFeed, AlertRelay
from bot.room.clerk import Ledger
from bot.room.power import Rule
from bot.room.session import FolderInUse, Refused, RoomError, Session, Unanswered
from bot.room.stay import Stay

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds between two tries to reach the room
_Result = TypeVar("_Result")


class Room:
    """The bot in its room. `run` it; `ready` is set while it is in the room and listens."""

    def __init__(
        self,
        *,
        session: Session,
        room: str,
        rule: Rule,
        command_age: timedelta,
        ledger: Ledger,
        alerts: AlertFeed,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ready = asyncio.Event()
        self._session = session
        self._address = Address(session, room)
        self._rule = rule
        self._age = command_age
        self._ledger = ledger
        self._alerts = AlertRelay(alerts)
        self._clock = clock
        self._troubles: set[str] = set()  # why the room cannot be reached, as far as told

    async def run(self) -> None:
        """Serve the room until cancelled.

        Raises FolderInUse when another process serves it. A homeserver that is away or refuses the
        log-in, and a room that does not let us in, are waited for.
        """
        try:
            await self._patiently(self._session.open)
            while True:
                await self._stay(await self._patiently(self._address.find))
        finally:
            self.ready.clear()
            await self._session.close()

    async def _stay(self, room_id: str) -> None:
        """Serve one room until it is replaced."""
        stay = Stay(
            session=self._session,
            address=self._address,
            room_id=room_id,
            rule=self._rule,
            age=self._age,
            clock=self._clock,
            ledger=self._ledger,
            ready=self.ready,
        )
        relay = asyncio.create_task(self._alerts.run(stay.replies, self.ready), name="room alerts")
        try:
            while await self._patiently(stay.listen):
                pass
        finally:
            self.ready.clear()
            relay.cancel()
            with suppress(asyncio.CancelledError):
                await relay

    async def _patiently(self, step: Callable[[], Awaitable[_Result]]) -> _Result:
        """Take `step` until it succeeds, with growing pauses; tells each reason once while it
        fails, and once that it is well again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                if not self._session.is_open and step != self._session.open:
                    await self._session.open()
                result = await step()
            except FolderInUse:
                raise
            except (RoomError, Unanswered, Refused, OSError) as error:
                if str(error) not in self._troubles:
                    self._troubles.add(str(error))
                    _log.warning("room_unreachable", reason=str(error))
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if self._troubles:
                    self._troubles.clear()
                    _log.info("room_reachable")
                return result
