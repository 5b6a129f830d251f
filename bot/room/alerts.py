"""Alerts from the database to the room: one message for a cause, edited while its count grows.

An alert is marked as shown only after the room has it. The homeserver drops a message that a crash
made us send twice.
"""

import asyncio
import hashlib
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from bot.room.replies import Replies

_log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds between two looks into the feed
EDIT_PAUSE = 10.0  # seconds between two edits of one message
MOST_A_MINUTE = 20  # messages and edits; the rest waits in the feed
_REST = 10.0  # seconds of rest after a failure


@dataclass(frozen=True, slots=True)
class RoomAlert:
    """An alert that the room has not seen in this version. `event_id` is its message, if any."""

    id: int
    text: str
    html: str
    event_id: str | None
    version: int


class AlertFeed(Protocol):
    """Where alerts come from; `pending` answers those not shown, or not as they are now."""

    async def pending(self) -> Sequence[RoomAlert]: ...

    async def shown(self, id: int, event_id: str, version: int) -> None: ...


class AlertRelay:
    """Shows a feed's alerts in the room, at a bearable pace."""

    def __init__(self, feed: AlertFeed, *, edit_pause: float = EDIT_PAUSE) -> None:
        self._feed = feed
        self._edit_pause = edit_pause
        self._shown_at: dict[int, float] = {}
        self._sent: deque[float] = deque()

    async def run(self, replies: Replies, ready: asyncio.Event) -> None:
        """Relay until cancelled, whenever `ready`; a failure is logged once and tried again."""
        failing = False
        while True:
            await ready.wait()
            try:
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
            if alert.event_id is None:
                # The text too: a new database counts its alerts from 1 again.
                mark = hashlib.sha256(f"{alert.id} {alert.version} {alert.text}".encode())
                once = f"porter-alert-{mark.hexdigest()[:32]}"
                event_id = await replies.notice(alert.text, alert.html, once)
            else:
                event_id = alert.event_id
                await replies.edit(event_id, alert.text, alert.html)
            self._sent.append(now)
            self._shown_at[alert.id] = now
            await self._feed.shown(alert.id, event_id, alert.version)

    def _is_due(self, alert: RoomAlert, now: float) -> bool:
        while self._sent and self._sent[0] < now - 60:
            self._sent.popleft()
        for id, at in list(self._shown_at.items()):
            if at < now - self._edit_pause:
                del self._shown_at[id]
        return len(self._sent) < MOST_A_MINUTE and alert.id not in self._shown_at
