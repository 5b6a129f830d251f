"""Alerts from the database to the room: one message for a cause, edited while its count grows.

What a message says in full stands in its thread. An alert is marked as shown only after the room
has it, and the homeserver drops what a crash made us send twice.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bot.answers import Answer
from bot.room.replies import Replies
from bot.room.session import Refused

_log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds between two looks into the feed
EDIT_PAUSE = 10.0  # seconds between the first two edits of one message; it doubles with each
MOST_A_MINUTE = 20  # messages, edits and reactions; servers allow a dozen and a few at once
_LONGEST_PAUSE = 300.0  # seconds between two edits
_REST = 10.0  # seconds of rest after a failure
_REFUSED_REST = 60.0  # seconds until an alert is offered again that the homeserver refused


@dataclass(frozen=True, slots=True)
class RoomAlert:
    """An alert that the room has not seen in this version.

    `begun` tells it from one of the same number in another database. `event_id` and
    `details_event_id` are its message and the one in its thread, if there are any. What the
    message offers is put under it as reactions.
    """

    id: int
    version: int
    begun: str
    message: Answer
    details: Answer | None = None
    is_new: bool = True
    is_over: bool = False
    event_id: str | None = None
    details_event_id: str | None = None

    @property
    def weight(self) -> int:
        """How many events it takes to show it."""
        reactions = len(self.message.offers) if self.is_new else 0
        return 1 + (self.details is not None) + reactions


class AlertFeed(Protocol):
    """Where alerts come from; `pending` answers those not shown, or not as they are now.

    `enter` comes first: in another room than before nothing is shown yet.
    """

    async def enter(self, room_id: str) -> None: ...

    async def pending(self) -> Sequence[RoomAlert]: ...

    async def posted(self, id: int, event_id: str, offered: Sequence[tuple[str, str]]) -> None: ...

    async def shown(
        self, id: int, version: int, event_id: str | None, details_event_id: str | None
    ) -> None: ...


@dataclass(slots=True)
class _Pace:
    """When a message may be edited next."""

    at: float
    pause: float


class AlertRelay:
    """Shows a feed's alerts in the room, at a bearable pace."""

    def __init__(self, feed: AlertFeed, *, edit_pause: float = EDIT_PAUSE) -> None:
        self._feed = feed
        self._edit_pause = edit_pause
        self._paces: dict[int, _Pace] = {}
        self._refused: dict[int, float] = {}  # until when these rest
        self._sent: deque[float] = deque()

    async def run(self, replies: Replies, ready: asyncio.Event) -> None:
        """Relay until cancelled, whenever `ready`; a failure is logged once and tried again."""
        self._paces.clear()
        failing = entered = False
        while True:
            await ready.wait()
            try:
                if not entered:
                    await self._feed.enter(replies.room_id)
                    entered = True
                await self.relay(replies)
            except Exception as error:
                if not failing:
                    _log.warning("alerts_waiting", reason=str(error) or type(error).__name__)
                failing = True
                await asyncio.sleep(_REST)
            else:
                if failing:
                    _log.info("alerts_flowing")
                failing = False
                await asyncio.sleep(EVERY)

    async def relay(self, replies: Replies) -> None:
        """Show what is due now; what is too soon stays in the feed."""
        for alert in await self._feed.pending():
            now = time.monotonic()
            if not self._is_due(alert, now):
                continue
            try:
                await self._show(replies, alert)
            except Refused as error:
                # The others are not held up by one that the homeserver does not take.
                _log.warning("alert_refused", alert=alert.id, reason=str(error))
                self._refused[alert.id] = now + _REFUSED_REST
            self._sent.extend([now] * alert.weight)

    async def _show(self, replies: Replies, alert: RoomAlert) -> None:
        message, details_id = alert.message, alert.details_event_id
        event_id = alert.event_id
        if event_id is not None and not await self._edit(replies, event_id, message):
            event_id = details_id = None  # the message is gone, or the room is another one
            if alert.is_over:
                await self._feed.shown(alert.id, alert.version, None, None)
                return
        if event_id is None:
            once = _once(f"message {alert.event_id}", alert)
            event_id = await replies.notice(message.plain(), message.html(), once)
        await self._feed.posted(alert.id, event_id, message.offers)
        if alert.details is not None:
            details_id = await self._show_details(replies, alert, event_id, details_id)
        if alert.is_new or event_id != alert.event_id:
            await replies.offer(event_id, [key for key, _ in message.offers])
        await self._feed.shown(alert.id, alert.version, event_id, details_id)
        self._refused.pop(alert.id, None)
        self._set_pace(alert)

    async def _show_details(
        self, replies: Replies, alert: RoomAlert, event_id: str, details_id: str | None
    ) -> str | None:
        assert alert.details is not None
        if details_id is not None and await self._edit(replies, details_id, alert.details):
            return details_id
        once = _once(f"details {event_id} {details_id}", alert)
        try:
            return await replies.notice(
                alert.details.plain(), alert.details.html(), once, thread=event_id
            )
        except Refused as error:
            _log.info("alert_without_details", alert=alert.id, reason=str(error))
            return None

    async def _edit(self, replies: Replies, event_id: str, answer: Answer) -> bool:
        try:
            await replies.edit(event_id, answer.plain(), answer.html())
        except Refused as error:
            _log.info("alert_not_edited", event_id=event_id, reason=str(error))
            return False
        return True

    def _is_due(self, alert: RoomAlert, now: float) -> bool:
        while self._sent and self._sent[0] < now - 60:
            self._sent.popleft()
        if len(self._sent) >= MOST_A_MINUTE or self._refused.get(alert.id, 0) > now:
            return False
        pace = self._paces.get(alert.id)
        return alert.is_over or pace is None or now >= pace.at

    def _set_pace(self, alert: RoomAlert) -> None:
        if alert.is_over:
            self._paces.pop(alert.id, None)
            return
        known = self._paces.get(alert.id)
        pause = self._edit_pause if known is None else min(known.pause * 2, _LONGEST_PAUSE)
        self._paces[alert.id] = _Pace(time.monotonic() + pause, pause)


def _once(what: str, alert: RoomAlert) -> str:
    """The same in each run, so that the homeserver drops what was sent before; another one when
    the message has to be made anew."""
    mark = hashlib.sha256(f"{what} {alert.id} {alert.begun}".encode())
    return f"porter-alert-{mark.hexdigest()[:32]}"
