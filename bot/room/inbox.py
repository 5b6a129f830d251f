"""Which events of the room are commands: pure, and forgiving about how the bot is addressed.

A command is an m.text message that begins with `!porter`, or with the bot's name, user id or pill,
with or without a colon. Edits and notices are none, whatever they say.
"""

import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

FOLLOW = "follow"
_PREFIX = "!porter"
_PILL = re.compile(
    r"(?:<mx-reply>.*?</mx-reply>)?"
    r'\s*(?:<p>)?\s*<a href="https://matrix\.to/#/([^"?]+)[^"]*">([^<]*)</a>',
    re.IGNORECASE | re.DOTALL,
)
# Some clients write their pills in Markdown into the plain body.
_LINK = re.compile(r"\[[^\]\n]*\]\(<?https://matrix\.to/#/([^)>?]+)[^)\n]*\)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Command:
    """What a member with the power to do so asked for. `text` comes without the bot's name."""

    text: str
    sender: str
    event_id: str

    @property
    def is_follow(self) -> bool:
        """Whether it asks to move to the room that replaces this one."""
        return self.text.strip().casefold() == FOLLOW


@dataclass(frozen=True, slots=True)
class Letter:
    """A command as it lies in the room: not yet known whether its sender may give it."""

    command: Command
    thread: str | None  # the thread's first event, when it was asked in a thread
    answers: str | None = None  # the message of ours that it answers, when it was a reaction

    @property
    def target(self) -> str:
        """The event that our answer replies to."""
        return self.answers or self.command.event_id


@dataclass(frozen=True, slots=True)
class Reaction:
    """A reaction to an event of the room: `key` is the emoji."""

    target: str
    key: str
    sender: str
    event_id: str


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def read(source: Mapping[str, Any], user: str, names: Iterable[str] = ()) -> Letter | None:
    """Read a decrypted event; None when it is not a command to `user`.

    `names` are the bot's display names. Never raises, whatever the event carries.
    """
    content = _mapping(source.get("content"))
    relation = _mapping(content.get("m.relates_to"))
    if source.get("type") != "m.room.message" or content.get("msgtype") != "m.text":
        return None
    if relation.get("rel_type") == "m.replace" or "m.new_content" in content:
        return None
    body = _text(content.get("body"))
    if "m.in_reply_to" in relation:
        body = _without_quote(body)
    text = addressed(body, _text(content.get("formatted_body")), user, names)
    sender, event_id = _text(source.get("sender")), _text(source.get("event_id"))
    if text is None or not sender or not event_id or sender == user:
        return None
    return Letter(Command(text, sender, event_id), thread_of(source))


def read_reaction(source: Mapping[str, Any], user: str) -> Reaction | None:
    """Read a reaction of somebody else than `user`; None for everything else. Never raises."""
    relation = _mapping(_mapping(source.get("content")).get("m.relates_to"))
    if source.get("type") != "m.reaction" or relation.get("rel_type") != "m.annotation":
        return None
    target, key = _text(relation.get("event_id")), _text(relation.get("key"))
    sender, event_id = _text(source.get("sender")), _text(source.get("event_id"))
    if not (target and key and sender and event_id) or sender == user:
        return None
    return Reaction(target, key, sender, event_id)


def thread_of(source: Mapping[str, Any]) -> str | None:
    """The first event of the thread that an event stands in."""
    relation = _mapping(_mapping(source.get("content")).get("m.relates_to"))
    return (
        _text(relation.get("event_id")) or None if relation.get("rel_type") == "m.thread" else None
    )


def addressed(body: str, formatted: str, user: str, names: Iterable[str] = ()) -> str | None:
    """What stands after the bot's name; None when the message is not for it."""
    body = body.strip()
    forms = {_PREFIX, user, user[1:].partition(":")[0], *(name.strip() for name in names)}
    pill = _PILL.match(formatted)
    if pill and unquote(pill[1]) == user:
        forms.add(html.unescape(pill[2]).strip())
    link = _LINK.match(body)
    if link and unquote(link[1]) == user:
        forms.add(link[0])
    # The longest first, or a display name `Porter of x` would leave `of x` as the command.
    for form in sorted(filter(None, forms), key=len, reverse=True):
        if body[: len(form)].casefold() != form.casefold():
            continue
        rest = body[len(form) :]
        after = rest[1:] if rest[:1] in (":", ",") else rest
        # A user id may go on with a port, which makes it another server's user.
        if not after or after[0].isspace() or (after is not rest and form != user):
            return after.strip()
    return None


def _without_quote(body: str) -> str:
    """A reply's own words: older clients put the quoted message before them."""
    lines = body.split("\n")
    while lines and lines[0].startswith(">"):
        lines.pop(0)
    return "\n".join(lines)
