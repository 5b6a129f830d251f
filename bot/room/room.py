"""The moderators' room: reads it, obeys those who may command, answers, and shows alerts.

The position in the room is kept after its events were handled, and each command is remembered when
it is answered: after a crash no command is lost, and none runs twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import structlog

from bot.room.address import find, look
from bot.room.alerts import AlertFeed, AlertRelay
from bot.room.clerk import Clerk, Ledger
from bot.room.files import Kept
from bot.room.replies import Replies
from bot.room.session import Refused, Session, Unanswered
from bot.room.signing import sign_device
from bot.room.timeline import Timeline

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
        power: int,
        command_age: timedelta,
        ledger: Ledger,
        alerts: AlertFeed,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ready = asyncio.Event()
        self._session = session
        self._folder = session.folder
        self._user = session.user
        self._room = room
        self._power = power
        self._age = command_age
        self._ledger = ledger
        self._alerts = AlertRelay(alerts)
        self._clock = clock
        self._trouble: str | None = None
        self._signed = False

    async def run(self) -> None:
        """Serve the room until cancelled.

        Raises RoomError when the log-in is refused or revoked, or the folder is in use. A
        homeserver that is away, and a room that does not let us in, are waited for.
        """
        relay: asyncio.Task[None] | None = None
        try:
            await self._patiently(self._session.open)
            room_id = await self._patiently(lambda: find(self._session, self._room))
            journal = Kept(self._folder / "position.json")
            timeline = Timeline(self._session, room_id, journal, self._age, self._clock)
            replies = Replies(self._session, room_id)
            clerk = Clerk(
                user=self._user,
                power=self._power,
                age=self._age,
                clock=self._clock,
                ledger=self._ledger,
                standing=lambda: look(self._session, room_id),
                replies=replies,
            )
            relay = asyncio.create_task(self._alerts.run(replies, self.ready), name="room alerts")
            while True:
                await self._patiently(lambda: self._listen(room_id, timeline, clerk))
        finally:
            self.ready.clear()
            if relay is not None:
                relay.cancel()
                with suppress(asyncio.CancelledError):
                    await relay
            await self._session.close()

    async def _listen(self, room_id: str, timeline: Timeline, clerk: Clerk) -> None:
        """Take what came, once."""
        arrival = await timeline.read()
        await clerk.take(arrival, self._names(room_id))
        try:
            timeline.commit()
        except OSError as error:
            raise Unanswered(f"{self._folder} cannot be written ({error.strerror})") from error
        if not self._signed:
            self._signed = True
            await sign_device(self._session)
        if timeline.joined:
            if not self.ready.is_set():
                await self._enter(room_id)
            return
        self.ready.clear()
        try:
            await self._session.ask(self._session.client.join, room_id)
        except Refused as error:
            raise Unanswered(
                f"{self._user} is not in {room_id}, and not invited ({error})"
            ) from None

    async def _enter(self, room_id: str) -> None:
        standing = await look(self._session, room_id)
        for warning in standing.warnings(self._user, self._power):
            _log.warning("room_unsafe", warning=warning)
        _log.info("room_ready", room=room_id, user=self._user, encrypted=standing.encrypted)
        self.ready.set()

    async def _patiently(self, step: Callable[[], Awaitable[_Result]]) -> _Result:
        """Take `step` until it succeeds, with growing pauses; says so once when it begins to fail,
        and once when it is well again."""
        pause = _FIRST_PAUSE
        while True:
            try:
                result = await step()
            except (Unanswered, Refused) as error:
                if self._trouble != str(error):
                    self._trouble = str(error)
                    _log.warning("room_unreachable", reason=self._trouble)
                await asyncio.sleep(pause)
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                if self._trouble is not None:
                    self._trouble = None
                    _log.info("room_reachable")
                return result

    def _names(self, room_id: str) -> list[str]:
        room: Any = self._session.client.rooms.get(room_id)
        me = room.users.get(self._user) if room is not None else None
        return [me.display_name] if me is not None and me.display_name else []
