"""The room's events, each once and in order, however long we were away.

The position is kept by the caller's word (`commit`), after the events were handled. What a sync
leaves out is fetched page by page. An event whose key has not come yet is held back for a while.
"""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from nio import MegolmEvent
from nio.exceptions import EncryptionError

from bot.room.files import Kept
from bot.room.session import Refused, RoomError, Session, Unanswered

_log = structlog.get_logger(__name__)

_WAIT = 30_000  # milliseconds that the homeserver waits for news
_PAGE = 100  # events; Synapse gives no more at once
_MOST_PAGES = 50
_KEY_PATIENCE = 60.0  # seconds that an event waits for its key
_MOST_HELD = 500
_STUMBLES = 3  # tries at an answer that the library cannot read, before it is passed over


@dataclass(frozen=True, slots=True)
class Arrival:
    """What came since the last time, oldest first, and what will stay unreadable.

    `changed` tells whether the room's state may be another now; `beside` are the events of the
    room that is watched beside it.
    """

    events: tuple[Any, ...] = ()
    unreadable: tuple[Any, ...] = ()
    changed: bool = False
    beside: tuple[Any, ...] = ()


def only(*room_ids: str) -> dict[str, Any]:
    """A sync filter for these rooms' events, different each time.

    Synapse answers the same first question for two minutes with the same answer, which a bot that
    starts anew would take for the present; with another filter it is another question.
    """
    nothing: dict[str, Any] = {"types": []}
    return {
        "room": {
            "rooms": [*room_ids],
            "timeline": {"limit": _PAGE},
            "ephemeral": nothing,
            "account_data": nothing,
        },
        "account_data": nothing,
        "presence": nothing | {"not_types": [secrets.token_hex(4)]},
    }


def _is_state(event: Any) -> bool:
    return "state_key" in getattr(event, "source", {})


class Timeline:
    """One room's events from where the last run stopped; a first run starts with the present."""

    def __init__(
        self,
        session: Session,
        room_id: str,
        journal: Kept,
        age: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._session = session
        self._room_id = room_id
        self._journal = journal
        self._age = age
        self._clock = clock
        kept = journal.load()
        ours = kept.get("user") == session.user and kept.get("room") == room_id
        since = kept.get("since") if ours else None
        self._filter = only(room_id)
        self._since: str | None = since if isinstance(since, str) else None
        self._next: str | None = None
        self._kept = self._since  # as it stands on the disk
        self._client: Any = None
        self._beside: str | None = None
        self._whole = True  # whether the library still has to learn the room's members
        self._left = False
        self._held: dict[str, tuple[Any, float]] = {}
        self._released: set[str] = set()  # held until their handling is done
        self._stumbles = 0

    @property
    def joined(self) -> bool:
        """Whether the last read showed us in the room."""
        return self._room_id in self._session.client.rooms and not self._left

    async def read(self) -> Arrival:
        """Wait for news, at most half a minute. Raises Unanswered, Refused or RoomError."""
        fresh = self._since is None
        response = await self._sync()
        await self._tend_keys()
        self._whole = False
        self._next = response.next_batch
        if self._room_id in response.rooms.leave:
            self._left = True
        part = response.rooms.join.get(self._room_id)
        if part is not None:
            self._left = False
        beside = response.rooms.join.get(self._beside)
        said_there = () if fresh or beside is None else tuple(beside.timeline.events)
        if fresh or part is None:
            return replace(self._sort([]), beside=said_there)
        events = list(part.timeline.events)
        changed = bool(part.state) or any(map(_is_state, events))
        if part.timeline.limited and not any(map(self._is_our_entry, events)):
            events = await self._fetch(part.timeline.prev_batch) + events
        entries = [at for at, event in enumerate(events) if self._is_our_entry(event)]
        # What was said before we came in was not said to us.
        arrival = self._sort(events[entries[-1] :] if entries else events)
        return replace(arrival, changed=changed, beside=said_there)

    def commit(self) -> None:
        """Keep the position: what was read has been handled. Raises OSError.

        On the disk it stays before an event that waits for its key: a crash must not lose it.
        """
        for event_id in self._released:
            del self._held[event_id]
        self._released.clear()
        if self._next is not None and not self._held and self._next != self._kept:
            self._journal.save(
                {"user": self._session.user, "room": self._room_id, "since": self._next}
            )
            self._kept = self._next
        self._since = self._next

    def watch(self, room_id: str) -> None:
        """Read another room beside this one."""
        self._beside = room_id
        self._filter = only(self._room_id, room_id)
        self._whole = True

    def hand_over(self, room_id: str) -> None:
        """Let the next timeline go on from here in another room. Raises OSError."""
        self._journal.save({"user": self._session.user, "room": room_id, "since": self._next})

    async def _sync(self) -> Any:
        client = self._session.client
        if client is not self._client:  # a new log-in, which knows nothing of the room
            self._client, self._whole = client, True
        # The library skips an answer that it has seen; ours may have failed to be handled.
        client.next_batch = ""
        whole = self._whole and self._since is not None
        try:
            response = await self._session.ask(
                client.sync,
                timeout=0 if self._whole else _WAIT,
                since=self._since,
                sync_filter=self._filter,
                full_state=whole or None,
                patience=0,
            )
        except Refused as error:
            if self._since is not None:
                _log.warning("room_position_refused", reason=str(error))
                self._since, self._whole = None, True
            raise
        except (RoomError, Unanswered):
            raise
        except Exception as error:
            self._stumble()
            raise Unanswered("the homeserver's answer could not be read") from error
        self._stumbles = 0
        return response

    def _stumble(self) -> None:
        """Pass an answer over that cannot be read, rather than ask for it for ever."""
        passed_by = self._session.client.next_batch
        self._stumbles += 1
        skips = self._stumbles >= _STUMBLES and bool(passed_by)
        _log.exception("room_answer_unreadable", passed_over=skips)
        if skips:
            self._since, self._stumbles = passed_by, 0

    async def _tend_keys(self) -> None:
        client, ask = self._session.client, self._session.ask
        if client.outgoing_to_device_messages:
            await client.send_to_device_messages()
        if client.should_upload_keys:
            await ask(client.keys_upload)
        if client.should_query_keys:
            await ask(client.keys_query)
        if client.should_claim_keys:
            await ask(client.keys_claim, client.get_users_for_key_claiming())

    async def _fetch(self, start: str | None) -> list[Any]:
        """The events between the last position and `start`, oldest first; none that is too old."""
        oldest = (self._clock() - self._age).timestamp() * 1000
        found: list[Any] = []  # newest first
        for _ in range(_MOST_PAGES):
            if not start:
                break
            page = await self._session.ask(
                self._session.client.room_messages,
                self._room_id,
                start=start,
                end=self._since,
                limit=_PAGE,
            )
            found += page.chunk
            if not page.chunk or any(
                self._is_our_entry(event) or getattr(event, "server_timestamp", oldest) < oldest
                for event in page.chunk
            ):
                break
            start = page.end
        else:
            _log.warning("room_gap_too_long", events=len(found))
        return found[::-1]

    def _is_our_entry(self, event: Any) -> bool:
        source = getattr(event, "source", {})
        if source.get("type") != "m.room.member" or source.get("state_key") != self._session.user:
            return False
        before = (source.get("unsigned") or {}).get("prev_content") or {}
        return (source.get("content") or {}).get("membership") == "join" != before.get("membership")

    def _sort(self, events: list[Any]) -> Arrival:
        """Hold back what cannot be read yet; let go of what now can, and of what never will."""
        now = time.monotonic()
        client = self._session.client
        readable, lost = [], []
        for event_id, (event, since) in list(self._held.items()):
            try:
                event = client.decrypt_event(event)
            except EncryptionError:
                if now - since < _KEY_PATIENCE:
                    continue
                lost.append(event)
            else:
                readable.append(event)
            self._released.add(event_id)
        for event in events:
            if not isinstance(event, MegolmEvent):
                readable.append(event)
            elif event.sender != self._session.user and len(self._held) < _MOST_HELD:
                event.room_id = self._room_id
                self._held.setdefault(event.event_id, (event, now))
        return Arrival(tuple(readable), tuple(lost))
