"""What is heard in the homeserver's admin room, and whom the bot believes."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bot.room.admin_inbox import MARK, ORDER, AdminInbox, Given, NewAccount, Reply

INBOX = AdminInbox("@porter:example.org", "example.org")
SERVER = "@conduit:example.org"
SENT = 1_764_072_000_000
AT = datetime.fromtimestamp(SENT / 1000, UTC)


def event(body: Any, sender: str = SERVER, **content: Any) -> dict[str, Any]:
    return {
        "type": "m.room.message",
        "event_id": "$event",
        "sender": sender,
        "origin_server_ts": SENT,
        "content": {"msgtype": "m.notice", "body": body} | content,
    }


def reply(body: Any, **more: Any) -> dict[str, Any]:
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": "$command"}}}
    return event(body, **relation | more)


@pytest.mark.parametrize(
    ("words", "ip"),
    [
        # conduwuit 0.5.0-rc4
        ("registered on this server from IP 203.0.113.7", "203.0.113.7"),
        (
            'registered on this server from IP 203.0.113.7 and device display name "My phone"',
            "203.0.113.7",
        ),
        # continuwuity until 0.5.11, tuwunel until 1.4
        ("registered on this server.", None),
        # continuwuity 26.7
        ("registered on this server from IP 203.0.113.7.", "203.0.113.7"),
        (
            'registered on this server from IP 2001:db8::1 and device display name "x".',
            "2001:db8::1",
        ),
        # continuwuity 26.8
        ("registered on this server from IP 2001:db8::1 via legacy registration.", "2001:db8::1"),
        # tuwunel 1.6
        ("registered on this server from IP 203.0.113.7 with device name phone", "203.0.113.7"),
        ("registered on this server via Example (3f6a)", None),
    ],
)
def test_an_account_is_known_from_every_versions_notice(words, ip):
    assert INBOX.read(event(f'New user "@ann:example.org" {words}')) == NewAccount("ann", AT, ip)


@pytest.mark.parametrize(
    "said",
    [
        event('New user "@ann:example.org" registered on this server.', sender="@eve:example.org"),
        event('New user "@ann:example.org" registered on this server.', sender="@conduit:evil.org"),
        event('New user "@ann:evil.org" registered on this server.'),
        event('New user "@ann:example.org:8448" registered on this server.'),
        event('New guest user "@12345:example.org" registered on this server from IP 1.2.3.4'),
        event('Guest user "@12345:example.org" with no device display name registered'),
        event("New user registered on this server from IP 203.0.113.7"),  # tuwunel 1.5.0
        reply('New user "@ann:example.org" registered on this server.'),
        event('> New user "@ann:example.org" registered on this server.'),
        event(None),
        {"type": "m.room.message", "event_id": "$event", "sender": SERVER, "content": 3},
        {"type": "m.room.member", "event_id": "$event", "sender": SERVER, "content": {}},
    ],
)
def test_no_account_is_known_from_anything_else(said):
    assert not isinstance(INBOX.read(said), NewAccount)


def test_a_device_name_announces_nobody():
    eve = 'New user "@eve:example.org" registered on this server from IP 203.0.113.7'
    device = '\nNew user "@ann:example.org" registered on this server from IP 198.51.100.1'
    found = INBOX.read(event(f"{eve} with device name {device}"))
    assert found == NewAccount("eve", AT, "203.0.113.7")


def test_a_reply_is_read_in_plain_and_in_threads():
    assert INBOX.read(reply("Done.")) == Reply("$command", "Done.")
    assert INBOX.read(reply("Done.", msgtype="m.text")) == Reply("$command", "Done.")
    thread = {"rel_type": "m.thread", "event_id": "$command"}
    assert INBOX.read(event("Done.", **{"m.relates_to": thread})) == Reply("$command", "Done.")


def test_in_a_thread_where_somebody_else_commands_no_reply_is_ours():
    thread = {"m.relates_to": {"rel_type": "m.thread", "event_id": "$command"}}
    inbox = AdminInbox("@porter:example.org", "example.org")
    first, second = event("issued: `ours`", **thread), event("issued: `hers`", **thread)
    assert inbox.read(first) == Reply("$command", "issued: `ours`")
    assert inbox.read(event("!admin token issue", sender="@eve:example.org", **thread)) is None
    assert inbox.read(second) is None
    assert inbox.read(reply("Done.")) == Reply("$command", "Done.")  # this one says to which


def test_a_file_is_a_reply_without_words():
    found = INBOX.read(reply("issued: `abc`", msgtype="m.file", url="mxc://example.org/x"))
    assert found == Reply("$command", "")


@pytest.mark.parametrize(
    "relation",
    [
        {"rel_type": "m.replace", "event_id": "$command"},
        {"rel_type": "m.replace", "event_id": "$x", "m.in_reply_to": {"event_id": "$command"}},
        {"rel_type": "m.annotation", "event_id": "$command"},
        {"m.in_reply_to": {"event_id": 3}},
        {"m.in_reply_to": "$command"},
    ],
)
def test_an_edit_is_no_reply(relation):
    assert INBOX.read(event("issued: `abc`", **{"m.relates_to": relation})) is None


def test_nobody_but_the_homeserver_replies():
    for sender in ("@eve:example.org", "@conduit:evil.org", "@porter:example.org"):
        assert INBOX.read(reply("issued: `abc`") | {"sender": sender}) is None


def test_our_own_commands_are_known_by_their_mark():
    ours = event("!admin token issue --once", **{ORDER: 7, MARK: "abc"})
    assert INBOX.read(ours | {"sender": "@porter:example.org"}) == Given(7, "abc", "$event")
    assert INBOX.read(ours | {"sender": "@eve:example.org"}) is None
    assert INBOX.read(event("!admin", sender="@porter:example.org")) is None
