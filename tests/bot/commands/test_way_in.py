"""Commands say what this homeserver can not do, instead of promising it."""

import pytest

from gateway.settings.config import parse
from gateway.store import registrations
from tests.bot.conftest import CONFIG as SHARED

CONFIG = """
server_name: example.org
state: state
registration: {human_check: "off"}
addresses: {mx: false}
bans: bans
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
"""
HOMESERVERS = {
    "static": "kind: static, static_token: OnlyTheOperatorChangesThis",
    "reader": "kind: conduwuit, token_file: token",
    "synapse": "kind: synapse, admin_token: x",
    "mas": "kind: mas, auth_url: 'http://127.0.0.1:1', client_id: x, client_secret: y",
}


@pytest.fixture
def settings(tmp_path, request):
    """A desk before a homeserver of the kind that the test names, or one that reads a file."""
    if not hasattr(request, "param"):
        return parse(SHARED, tmp_path, {})
    homeserver = f'homeserver: {{url: "http://127.0.0.1:1", {HOMESERVERS[request.param]}}}\n'
    return parse(CONFIG + homeserver, tmp_path, {})


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        (
            "static",
            "Tokens: one for all, into a homeserver with a static token by its own configuration.",
        ),
        ("reader", "Tokens: one for each applicant, into conduwuit by its token file."),
        ("synapse", "Tokens: one for each applicant, into Synapse by its admin API."),
        (
            "mas",
            "Tokens: one for each applicant, into Matrix Authentication Service by its admin API.",
        ),
    ],
    indirect=["settings"],
)
async def test_status_says_what_homeserver_it_is_and_how_tokens_get_in(typed, line):
    assert f"\n{line} " in (await typed("status")).plain()


@pytest.mark.parametrize("settings", ["reader"], indirect=True)
async def test_a_token_that_nobody_counts_is_told_of(typed):
    told = (await typed("token")).plain()
    assert "until it is ended, a token opens any number of accounts" in told


@pytest.mark.parametrize("settings", ["synapse"], indirect=True)
async def test_a_token_that_the_homeserver_counts_needs_no_word(typed):
    assert "any number" not in (await typed("token")).plain()


@pytest.mark.parametrize("settings", ["static"], indirect=True)
async def test_a_fixed_token_is_never_said_to_rotate(typed, desk, apply, clock):
    await desk.rotation.look()
    assert "own configuration. It never rotates.\n" in (await typed("status")).plain()
    told = (await typed("token --show")).plain()
    await apply()
    await desk.database.write(lambda c: registrations.mailed(c, 1, 1, clock()))
    assert "works until it is changed" in (await typed("unfulfilled")).plain()
    answer = await typed("reject 1")
    assert answer.plain().endswith("only the homeserver's operator ends it.")
    for said in (told, answer.plain()):
        assert "token rotate" not in said


async def test_a_shared_token_that_rotates_is_ended_by_that(typed, desk, apply, clock):
    await desk.rotation.look()
    await apply()
    await desk.database.write(lambda c: registrations.mailed(c, 1, 1, clock()))
    assert "works until it rotates" in (await typed("unfulfilled")).plain()
    assert (await typed("token revoke 1")).plain().endswith("have: rotate it instead.")
    assert (await typed("token --show")).plain().endswith("`token rotate` ends them all.")
    assert (await typed("reject 1")).plain().endswith("token rotate ends it.")
