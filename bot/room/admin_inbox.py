"""What is said in the homeserver's admin room that concerns the desk; nobody is trusted.

Ours are the commands that we gave, each with its order's number and mark. The homeserver's own user
replies to them, and announces new accounts. Whatever anybody else says there is nothing to us; but
tuwunel replies into the thread in which it is commanded, without saying to which command. So a
thread in which somebody else has spoken tells us nothing any more.
"""

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any

from gateway.homeserver.admin_room import SERVER_LOCALPART

ORDER, MARK = "org.matrix-porter.order", "org.matrix-porter.mark"
# conduwuit, continuwuity, tuwunel; what follows (a device's name) is the new user's own choice.
# Some name no address (continuwuity until 0.5.11, tuwunel until 1.4, and tuwunel for whoever came
# by another provider), tuwunel 1.5 names no user, continuwuity 26.6 says nothing. Guests need no
# token, and are nobody's.
_NEW = re.compile(
    r'New user "@([^":\s]+):([^"\s]+)" registered on this server\b(?: from IP (\S+))?'
)
_WORDS = {"m.notice", "m.text"}
_MOST_THREADS = 1000  # of other people, that are remembered


@dataclass(frozen=True, slots=True)
class Given:
    """A command of ours as it stands in the room, with the number and mark of its order."""

    number: int
    mark: str
    event_id: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What the homeserver said to the event `to`; empty when it sent something else than words,
    as it does with what is too long for a message."""

    to: str
    text: str


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that the homeserver announced; `ip` as far as it said from where it came."""

    name: str
    at: datetime
    ip: str | None


Heard = Given | Reply | NewAccount


def server_user(server_name: str) -> str:
    """Who speaks for the homeserver, on all three kinds."""
    return f"@{SERVER_LOCALPART}:{server_name}"


@dataclass(frozen=True, slots=True)
class AdminInbox:
    """Reads events, oldest first, for `user`, the bot, on the homeserver `server_name`."""

    user: str
    server_name: str
    _foreign: deque[str] = field(default_factory=lambda: deque(maxlen=_MOST_THREADS), compare=False)

    def is_trusted(self, source: Mapping[str, Any]) -> bool:
        """Whether an event is the homeserver's or our own."""
        return source.get("sender") in (self.user, server_user(self.server_name))

    def read(self, source: Mapping[str, Any]) -> Heard | None:
        """Read an event; None when it is nothing to us. Never raises, whatever it carries."""
        content, event_id = _mapping(source.get("content")), source.get("event_id")
        if source.get("type") != "m.room.message" or not isinstance(event_id, str):
            return None
        relation = _mapping(content.get("m.relates_to"))
        if relation.get("rel_type") == "m.replace" or "m.new_content" in content:
            return None
        if source.get("sender") == self.user:
            return _given(content, event_id)
        if source.get("sender") != server_user(self.server_name):
            if thread := _thread(relation):
                self._foreign.append(thread)
            return None
        if relation:
            return None if _thread(relation) in self._foreign else _reply(relation, content)
        return self._new_account(content, source.get("origin_server_ts"))

    def _new_account(self, content: Mapping[str, Any], sent: object) -> NewAccount | None:
        found = _NEW.match(_words(content))
        if found is None or found[2] != self.server_name or not isinstance(sent, int):
            return None
        try:
            at = datetime.fromtimestamp(sent / 1000, UTC)
        except (ValueError, OverflowError, OSError):
            return None
        return NewAccount(found[1], at, _address(found[3]))


def _given(content: Mapping[str, Any], event_id: str) -> Given | None:
    number, mark = content.get(ORDER), content.get(MARK)
    if not isinstance(number, int) or not isinstance(mark, str):
        return None
    return Given(number, mark, event_id)


def _reply(relation: Mapping[str, Any], content: Mapping[str, Any]) -> Reply | None:
    """tuwunel may be told to reply in a thread, which then begins with the command."""
    to = _thread(relation) or _mapping(relation.get("m.in_reply_to")).get("event_id")
    return Reply(to, _words(content)) if isinstance(to, str) else None


def _thread(relation: Mapping[str, Any]) -> str | None:
    """The event that begins a thread."""
    root = relation.get("event_id") if relation.get("rel_type") == "m.thread" else None
    return root if isinstance(root, str) else None


def _words(content: Mapping[str, Any]) -> str:
    body = content.get("body")
    return body if isinstance(body, str) and content.get("msgtype") in _WORDS else ""


def _address(text: str | None) -> str | None:
    try:
        return None if text is None else str(ip_address(text.rstrip(".")))
    except ValueError:
        return None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
