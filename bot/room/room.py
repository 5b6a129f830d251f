"""The moderators' room: reads it, obeys those who may command, answers, and shows alerts.

The position in the room is kept after its events were handled, and each command is written down
before it is carried out: after a crash no command is lost unsaid, and none runs twice.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bot.room.alerts import AlertFeed, AlertRelay
from bot.room.desk import Desk, Handle, Seen
from bot.room.files import Kept
from bot.room.power import Standing
from bot.room.replies import Replies
from bot.room.session import Refused, RoomError, Session, Unanswered
from bot.room.signing import sign_device
from bot.room.timeline import Timeline, only

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0  # seconds between two tries to reach the room
_Result = TypeVar("_Result")


class Room:
    """The bot in its room. `run` it; `ready` is set while it is in the room and listens."""

    def __init__(
        self,
        *,
        homeserver_url: str,
        user: str,
        password: str | None,
        access_token: str | None,
        device_name: str,
        room: str,
        power: int,
        command_age: timedelta,
        store_folder: Path,
        handle: Handle,
        seen: Seen,
        alerts: AlertFeed,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.ready = asyncio.Event()
        self._session = Session(
            homeserver_url=homeserver_url,
            user=user,
            password=password,
            access_token=access_token,
            device_name=device_name,
            folder=store_folder,
        )
        self._user = user
        self._room = room
        self._power = power
        self._age = command_age
        self._folder = store_folder
        self._handle = handle
        self._seen = seen
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
            room_id = await self._patiently(self._find)
            journal = Kept(self._folder / "position.json")
            timeline = Timeline(self._session, room_id, journal, self._age, self._clock)
            replies = Replies(self._session, room_id)
            desk = Desk(
                user=self._user,
                power=self._power,
                age=self._age,
                clock=self._clock,
                handle=self._handle,
                seen=self._seen,
                standing=lambda: self._standing(room_id),
                replies=replies,
                begun=Kept(self._folder / "command.json"),
            )
            relay = asyncio.create_task(self._alerts.run(replies, self.ready), name="room alerts")
            while True:
                await self._patiently(lambda: self._listen(room_id, timeline, desk))
        finally:
            self.ready.clear()
            if relay is not None:
                relay.cancel()
                with suppress(asyncio.CancelledError):
                    await relay
            await self._session.close()

    async def check(self) -> list[str]:
        """What keeps the bot from its work, or should be known; one sentence each.

        May be asked beside a running bot. Logs in when no run did so before, and keeps that log-in
        for the first run.
        """
        try:
            await self._session.open(alone=False)
            room_id = await self._find()
            try:
                standing = await self._standing(room_id)
            except Refused:
                return [await self._why_outside(room_id)]
            return standing.warnings(self._user, self._power)
        except RoomError as error:
            return [str(error)]
        except (Unanswered, Refused) as error:
            return [f"bot: {error}."]
        finally:
            await self._session.close()

    async def _listen(self, room_id: str, timeline: Timeline, desk: Desk) -> None:
        """Take what came, once."""
        arrival = await timeline.read()
        await desk.take(arrival, self._names(room_id))
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
        standing = await self._standing(room_id)
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

    async def _find(self) -> str:
        """The room's id; an alias is asked for. Raises Unanswered and Refused."""
        if self._room.startswith("!"):
            return self._room
        found = await self._session.ask(self._session.client.room_resolve_alias, self._room)
        return str(found.room_id)

    async def _standing(self, room_id: str) -> Standing:
        state = await self._session.ask(self._session.client.room_get_state, room_id)
        return Standing.read(state.events)

    async def _why_outside(self, room_id: str) -> str:
        state = await self._session.ask(
            self._session.client.sync, timeout=0, sync_filter=only(room_id)
        )
        if room_id in state.rooms.invite:
            return f"bot.room: {self._user} is invited to {self._room}, and joins when it starts."
        return f"bot.room: {self._user} is not in {self._room}; invite it."

    def _names(self, room_id: str) -> list[str]:
        room: Any = self._session.client.rooms.get(room_id)
        me = room.users.get(self._user) if room is not None else None
        return [me.display_name] if me is not None and me.display_name else []
