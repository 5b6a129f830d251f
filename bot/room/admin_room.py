"""The homeserver's admin room: gives the desk's orders there, and brings back what is replied.

The room itself is the record. It is read in order from where the last run stopped, and what was
read is kept with its effects in one transaction; our own commands are read too, each with its
order's number. So an order that was given before a crash is found, not given again, and a reply
that came while we were away is heard. Nothing is given before everything is read.

The room is plain, and has no part in the moderators' room's sync: a second one would swallow the
keys that are sent to this device. It is asked for its newest events instead.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, Protocol
from urllib.parse import quote

import structlog
from nio import Api, RoomSendResponse

from bot.room.admin_inbox import MARK, ORDER, AdminInbox, Heard, Reply, server_user
from bot.room.admin_survey import survey
from bot.room.session import Session, Unanswered

_log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds between two looks for orders
_QUIET = 10.0  # seconds between two looks into the room while no order waits
_SOON, _LATE = 0.2, 2.0  # seconds between two looks while one does
_SURVEY = 300.0  # seconds between two surveys of the room
_REST = 10.0  # seconds of rest after a failure
_MOST = 4  # orders that wait for a reply at a time
_SILENCE = 60.0  # seconds without a reply until it is told
# Seconds until an order without a reply is given up, and its wish may order anew. The homeserver
# replies within seconds, in order, and forgets its queue when it ends. Should a reply come still,
# its token is nobody's and is revoked.
_PATIENCE = 600.0
_FEW, _PAGE, _MOST_PAGES = 20, 100, 50  # events in a first page, in each more, and pages
_SKEW = 3_600_000  # milliseconds that a homeserver's clock may have been set back


@dataclass(frozen=True, slots=True)
class RoomOrder:
    """A command to be given. `mark` tells it from one of the same number in another database;
    `awaited_for` is how many seconds ago it was given, None when it was not yet."""

    id: int
    mark: str
    command: str
    awaited_for: float | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """How far a room was read: to which event, and the homeserver's time then in milliseconds."""

    room_id: str
    event_id: str
    at: int = 0


class AdminDesk(Protocol):
    """Where orders come from and what is heard goes to, each call one transaction."""

    async def position(self, room_id: str) -> Position | None:
        """How far this room was read; None when it never was."""

    async def heard(self, said: Sequence[Heard], position: Position) -> None:
        """Keep what was heard, oldest first, and how far the room is read: to its end, now."""

    async def waiting(self, most: int) -> Sequence[RoomOrder]:
        """Orders without a reply: those that were given, then those to be given, oldest first."""

    async def given(self, id: int, event_id: str) -> None:
        """An order stands in the room as this event."""

    async def give_up(self, id: int) -> None:
        """No reply to an order is awaited any more."""

    async def warn(self, warnings: Sequence[str]) -> None:
        """Keep and tell what is wrong with the room now, one sentence each."""


class AdminRoom:
    """The bot in the admin room. `run` it beside the moderators' room, whose session it shares."""

    def __init__(
        self,
        *,
        session: Session,
        room: str,
        moderators_room: str,
        server_name: str,
        desk: AdminDesk,
    ) -> None:
        self._session = session
        self._room = room
        self._moderators_room = moderators_room
        self._server_name = server_name
        self._desk = desk
        self._inbox = AdminInbox(session.user, server_name)
        self._is_silent = False  # the homeserver did not reply, and has not since
        self._has_changed = False  # the room's state, since the survey
        self._warnings: tuple[str, ...] | None = None
        self._read_at = -_QUIET

    async def run(self) -> None:
        """Serve the room until cancelled; a failure is logged once and tried again."""
        failing = ""
        while True:
            pause = EVERY
            try:
                if self._session.is_open:
                    await self._serve()
                    failing = ""
            except Exception as error:
                reason, pause = str(error) or type(error).__name__, _REST
                # Without a log-in it is the moderators' room that tells why.
                if reason != failing and self._session.is_open:
                    _log.warning("admin_room_waiting", reason=reason)
                failing = reason
            await asyncio.sleep(pause)

    async def _serve(self) -> None:
        """Survey the room, and work in it until another survey is due."""
        found = await survey(
            self._session, self._room, self._moderators_room, self._server_name, enter=True
        )
        await self._warn((*found.warnings, *self._silence()))
        self._has_changed = False
        ends = time.monotonic() + (_SURVEY if found.is_usable else _REST)
        pause = EVERY
        while time.monotonic() < ends and not self._has_changed:
            if found.is_usable:
                pause = await self.turn(found.room_id, pause)
                await self._warn((*found.warnings, *self._silence()))
            await asyncio.sleep(pause)

    async def turn(self, room_id: str, pause: float = EVERY) -> float:
        """Hear and give once; returns after how many seconds to do it again."""
        if not await self._desk.waiting(_MOST) and time.monotonic() < self._read_at + _QUIET:
            return EVERY
        has_news = await self.hear(room_id)
        has_given = await self._give_what_waits(room_id)
        waiting = await self._desk.waiting(_MOST)
        await self._watch(waiting)
        if not waiting:
            return EVERY
        return _SOON if has_news or has_given else min(pause * 2, _LATE)

    async def hear(self, room_id: str) -> bool:
        """Read the room to its end; whether there was something new."""
        known = await self._desk.position(room_id)
        events = await self._news(room_id, known)
        if not events and known is None:
            raise Unanswered("the admin room shows none of its events")
        self._read_at = time.monotonic()
        said = [heard for each in events if known and (heard := self._inbox.read(each))]
        self._is_silent &= not any(isinstance(each, Reply) for each in said)
        self._has_changed |= any("state_key" in each for each in events)
        newest = events[-1]["event_id"] if events else known.event_id if known else ""
        times = [each["origin_server_ts"] for each in events if self._inbox.is_trusted(each)]
        at = times[-1] if times else known.at if known else 0
        await self._desk.heard(said, Position(room_id, newest, at))
        return bool(said)

    async def _news(self, room_id: str, known: Position | None) -> list[dict[str, Any]]:
        """The events after a known one, oldest first; the newest few when none is known."""
        found: list[dict[str, Any]] = []  # newest first
        start, size = None, _FEW
        for _ in range(_MOST_PAGES):
            page = await self._session.ask(
                self._session.client.room_messages, room_id, start=start, limit=size
            )
            for source in (event.source for event in page.chunk if _is_whole(event.source)):
                if known is not None and source["event_id"] == known.event_id:
                    return found[::-1]
                found.append(source)
            start, size = page.end, _PAGE
            if known is None or not page.chunk or not start:
                break
        if known is not None:
            _log.warning("admin_room_position_lost", events=len(found))
            found = [*takewhile(lambda each: not self._is_old(each, known), found)]
        return found[::-1]

    def _is_old(self, source: dict[str, Any], known: Position) -> bool:
        """Whether an event's time, if it can be trusted, tells that it was heard before."""
        return self._inbox.is_trusted(source) and source["origin_server_ts"] < known.at - _SKEW

    async def _give_what_waits(self, room_id: str) -> bool:
        """Give what may be given now, looking again before each, for it may be called off; whether
        there was something."""
        has_given = False
        while True:
            waiting = await self._desk.waiting(_MOST)
            order = next((each for each in waiting if each.awaited_for is None), None)
            if order is None:
                return has_given
            await self._desk.given(order.id, await self._give(room_id, order))
            has_given = True

    async def _give(self, room_id: str, order: RoomOrder) -> str:
        """Say a command, in plain words; repeated, it is the same event. Returns its id.

        The library would encrypt, or not know the room: it never hears of it by its sync.
        """
        content = {
            "msgtype": "m.text",
            "body": order.command,
            "m.mentions": {},
            ORDER: order.id,
            MARK: order.mark,
        }
        room = f"/_matrix/client/v3/rooms/{quote(room_id, safe='')}"
        path = f"{room}/send/m.room.message/porter-{order.mark}"

        async def send() -> Any:
            client = self._session.client
            head = {
                "Authorization": f"Bearer {client.access_token}",
                "Content-Type": "application/json",
            }
            answer = await client.send("PUT", path, Api.to_json(content), head)
            return await client.create_matrix_response(RoomSendResponse, answer, (room_id,))

        sent = await self._session.ask(send)
        return str(sent.event_id)

    async def _watch(self, waiting: Sequence[RoomOrder]) -> None:
        """Note a silence, and give up what has waited for too long."""
        for order in waiting:
            awaited_for = order.awaited_for or 0
            self._is_silent |= awaited_for > _SILENCE
            if awaited_for > _PATIENCE:
                _log.warning("order_given_up", order=order.id)
                await self._desk.give_up(order.id)

    def _silence(self) -> tuple[str, ...]:
        if not self._is_silent:
            return ()
        return (
            f"homeserver.admin_room: {server_user(self._server_name)} does not reply to"
            f" {self._session.user}; is it an admin of the homeserver? Mails wait for the replies.",
        )

    async def _warn(self, warnings: tuple[str, ...]) -> None:
        if warnings == self._warnings:
            return
        for warning in warnings:
            if warning not in (self._warnings or ()):
                _log.warning("admin_room_unsafe", warning=warning)
        await self._desk.warn(warnings)
        self._warnings = warnings


def _is_whole(source: dict[str, Any]) -> bool:
    """Whether an event has what every event of a homeserver has."""
    id, sent = source.get("event_id"), source.get("origin_server_ts")
    return isinstance(id, str) and isinstance(sent, int)
