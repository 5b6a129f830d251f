"""The token is read out of what the server says in its admin room, and nothing else is."""

import pytest

from gateway.rules.replies import link_in, token_in

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
    ],
)
def test_what_tells_of_no_token_has_none(reply):
    assert token_in(reply) is None


def test_the_invite_link_is_found_where_there_is_one():
    reply = "New registration token issued: `Ab3dEf6hIj8lMn0p` . Expires after 1 uses."
    assert link_in(f"{reply}\nInvite link using this token: {LINK}") == LINK
    assert link_in(reply) is None
    assert link_in("Invite link using this token: javascript:alert(1)") is None
