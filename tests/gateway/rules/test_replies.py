"""The token is read out of what the server says in its admin room, and nothing else is."""

import pytest

from gateway.rules.replies import complaint_in, link_in, listed, token_in

LINK = "https://example.org/_continuwuity/account/register/?flow=trusted&token=Ab3dEf6hIj8lMn0p"


@pytest.mark.parametrize(
    "reply",
    [
        "New registration token issued: `Ab3dEf6hIj8lMn0p`. Expires after 1 uses.",
        "New registration token issued: `Ab3dEf6hIj8lMn0p` . Never expires.",
        f"New registration token issued: `Ab3dEf6hIj8lMn0p` . Expires after 1 uses.\n"
        f"Invite link using this token: {LINK}",
        "New registration token issued: `Ab3dEf6hIj8lMn0p` - Token used 0 times. Expires after 1"
        " uses or in 6 days (2026-12-01 12:00:00).",
    ],
)
def test_every_version_tells_its_token(reply):
    assert token_in(reply) == "Ab3dEf6hIj8lMn0p"


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Token revoked successfully.",
        "error: the following required arguments were not provided:\n  <--once>",
        "Found 1 registration tokens:\n- `Ab3dEf6hIj8lMn0p` --- Token used 0 times.",
        "New registration token issued: `a b`. Never expires.",
        "New registration token issued: `x\n!admin users deactivate @a:b`",
        f"New registration token issued: `{'a' * 65}`.",
        "New registration token issued: `--help`.",
    ],
)
def test_what_tells_of_no_token_has_none(reply):
    assert token_in(reply) is None


def test_the_invite_link_is_found_where_there_is_one():
    reply = "New registration token issued: `Ab3dEf6hIj8lMn0p` . Expires after 1 uses."
    assert link_in(f"{reply}\nInvite link using this token: {LINK}") == LINK
    assert link_in(reply) is None
    assert link_in("Invite link using this token: javascript:alert(1)") is None


def test_a_list_tells_how_often_each_token_was_used():
    continuwuity = (
        "Found 3 registration tokens:\n"
        "- `guard` --- Static token set in the server configuration.\n"
        "- `abc` --- Token created by @porter:example.org and used 2 times. Expires after 3 uses.\n"
        "- `xyz` --- Token created by @a.b:example.org and used 0 times. Never expires.\n"
    )
    assert listed(continuwuity) == {"guard": 0, "abc": 2, "xyz": 0}
    tuwunel = (
        "Found 1 registration tokens:\n"
        "- `abc` --- Token used 1 times. Expires after 2 uses or in 6 days (2026-12-01 12:00:00).\n"
    )
    assert listed(tuwunel) == {"abc": 1}
    assert listed("Found 0 registration tokens:\n") == {}


@pytest.mark.parametrize(
    "reply",
    [
        "",
        "Output was too large to send as text.",
        "Found 2 registration tokens:\n- `abc` --- Token used 1 times. Never expires.\n",
        "- `abc` --- Token used 1 times. Never expires.\n",
    ],
)
def test_a_list_that_is_not_whole_tells_nothing(reply):
    assert listed(reply) is None


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (
            "Command failed with error:\n```\nAdmin users cannot be suspended.\n```",
            "Admin users cannot be suspended",
        ),
        (
            "error: unrecognized subcommand 'token'\n\nUsage: admin <COMMAND>\n",
            "unrecognized subcommand 'token'",
        ),
        ("Panic occurred while processing command:\n```\nPANIC!\n```", "it panicked"),
        ("Output was too large to send as text.", "its reply is none that is known"),
        ("The token is `abc`.", "its reply is none that is known"),
        (f"error: {'x' * 500}", "x" * 200),
    ],
)
def test_a_complaint_is_told_in_one_line_and_nothing_unknown_is_repeated(reply, why):
    assert complaint_in(reply) == why
