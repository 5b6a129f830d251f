"""The bot hears its name in every form, and nothing else."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.room.inbox import addressed, read

BOT = "@porter:example.org"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("!porter status", "status"),
        ("!Porter  ban ip 192.0.2.1 ", "ban ip 192.0.2.1"),
        ("!porter", ""),
        ("!porter: status", "status"),
        ("porter: status", "status"),
        ("porter:status", "status"),
        ("porter status", "status"),
        ("Porter, status", "status"),
        ("@porter:example.org status", "status"),
        ("@porter:example.org: status", "status"),
        ("The Desk: status", "status"),
        ("the desk status", "status"),
        ("!porter ban name 'a  b'", "ban name 'a  b'"),
        ("!porters status", None),
        ("!porterstatus", None),
        ("please !porter status", None),
        ("@porter:example.org.evil: status", None),
        ("@porter:example.org:8448 status", None),
        ("@porter:other.org status", None),
        ("importer: status", None),
        ("> !porter status", None),
        ("", None),
    ],
)
def test_forms_of_address(body: str, text: str | None) -> None:
    assert addressed(body, "", BOT, ["The Desk"]) == text


def test_a_pill_is_the_bot_whatever_its_text() -> None:
    pill = '<a href="https://matrix.to/#/%40porter%3Aexample.org">Front &amp; Desk</a>: status'
    assert addressed("Front & Desk: status", pill, BOT) == "status"
    other = pill.replace("porter", "other")
    assert addressed("Front & Desk: status", other, BOT) is None


def test_a_pill_after_a_quotation_is_the_bot() -> None:
    quoted = "<mx-reply><blockquote>!porter pause\nmore</blockquote></mx-reply>"
    pill = '<a href="https://matrix.to/#/@porter:example.org">Front Desk</a>'
    assert addressed("Front Desk status", f"{quoted}{pill} status", BOT) == "status"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("[Desk](https://matrix.to/#/@porter:example.org) status", "status"),
        ("[Desk](<https://matrix.to/#/%40porter%3Aexample.org?via=x.y>): ban [a](b)", "ban [a](b)"),
        ("[Desk](https://matrix.to/#/@other:example.org) status", None),
        ("[@porter:example.org](https://matrix.to/#/@other:example.org) status", None),
    ],
)
def test_a_pill_in_markdown_is_whom_it_leads_to(body: str, text: str | None) -> None:
    assert addressed(body, "", BOT) == text


def event(content: dict[str, Any], **more: Any) -> dict[str, Any]:
    base = {"type": "m.room.message", "sender": "@mod:example.org", "event_id": "$1"}
    return base | {"content": {"msgtype": "m.text", "body": "!porter status"} | content} | more


def test_a_reply_counts_without_what_it_quotes() -> None:
    relation = {"m.in_reply_to": {"event_id": "$0"}}
    body = "> <@x:y> !porter pause\n> more\n\n!porter status"
    letter = read(event({"body": body, "m.relates_to": relation}), BOT)
    assert letter is not None and letter.command.text == "status" and letter.thread is None


def test_a_thread_is_remembered() -> None:
    letter = read(event({"m.relates_to": {"rel_type": "m.thread", "event_id": "$root"}}), BOT)
    assert letter is not None and letter.thread == "$root"


@pytest.mark.parametrize(
    "nothing",
    [
        event({"msgtype": "m.notice"}),
        event({"msgtype": "m.emote"}),
        event({"m.relates_to": {"rel_type": "m.replace", "event_id": "$0"}}),
        event({"m.new_content": {"body": "!porter status"}}),
        event({}, sender=BOT),
        event({}, type="m.sticker"),
        event({"body": None}),
        event({}, event_id=None),
        {},
    ],
)
def test_other_events_are_no_commands(nothing: dict[str, Any]) -> None:
    assert read(nothing, BOT) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
FIELDS = st.sampled_from(["msgtype", "body", "formatted_body", "m.relates_to", "m.new_content"])


@given(st.dictionaries(FIELDS, JSON) | JSON, JSON, st.lists(st.text()))
def test_no_event_is_too_strange_to_read(content: Any, other: Any, names: list[str]) -> None:
    for kind in ("m.room.message", other):
        source = {"type": kind, "content": content, "sender": other, "event_id": other}
        letter = read(source, BOT, names)
        assert letter is None or letter.command.sender != BOT
