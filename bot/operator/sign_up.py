"""Whether the homeserver takes people, and nobody without a token."""

from datetime import timedelta

import aiohttp

from bot.operator.finding import Finding
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.identity import Identity
from gateway.homeserver.sign_up import SignUp, ask_sign_up

# What lets people in with a token, and nobody without one, by the server's name.
_OPENS = {
    "synapse": "set enable_registration: true in its configuration",
    "conduwuit": "set allow_registration = true in its configuration",
    "continuwuity": "set allow_registration = true in its configuration",
    "tuwunel": "set allow_registration = true in its configuration",
    "conduit": "set allow_registration = true in its configuration",
}
_SHUTS = {
    "synapse": "set registration_requires_token: true in its configuration, and no"
    " enable_registration_token_3pid_bypass",
    "conduwuit": "set registration_token_file and a long undisclosed registration_token in its"
    " configuration, and start it again once the file is there",
    "tuwunel": "set a long undisclosed registration_token in its configuration, beside every other"
    " way",
    "continuwuity": "take recaptcha, require_email_for_registration and"
    " yes_i_am_very_very_sure_i_want_an_open_registration_server_prone_to_abuse out of its"
    " configuration",
    "conduit": "set registration_token in its configuration",
}


async def check_sign_up(
    session: aiohttp.ClientSession,
    url: str,
    timeout: timedelta,  # noqa: ASYNC109 - the question keeps it
    server: Identity,
) -> list[Finding]:
    """Begin to sign up, and look what is asked for."""
    url = url.rstrip("/")
    try:
        found = await ask_sign_up(session, url, timeout)
    except HomeserverError as error:
        return [_untold(str(error))]
    if found.is_closed:
        return [_closed(url, server)]
    if not found.flows:
        return [_untold(f"{url} answered {found.status} to a sign-up")]
    return _open(url, found, server)


def _open(url: str, found: SignUp, server: Identity) -> list[Finding]:
    if not found.without_token:
        return []
    steps = " or ".join(" and ".join(flow) or "nothing" for flow in found.without_token)
    remedy = _SHUTS.get(server.key, "let it ask everybody for a registration token")
    return [Finding(f"homeserver.url: {url} lets people in without a token, for {steps}; {remedy}")]


def _closed(url: str, server: Identity) -> Finding:
    remedy = _OPENS.get(server.key, "let it register people who have a token")
    if server.key == "continuwuity":  # it says the same while no token is in force
        text = (
            f"homeserver.url: {url} takes nobody now; if this lasts when tokens are out, {remedy}"
        )
        return Finding(text, is_warning=True)
    return Finding(f"homeserver.url: {url} registers nobody; {remedy}")


def _untold(why: str) -> Finding:
    text = f"homeserver.url: {why}: whether somebody gets in without a token was not found out"
    return Finding(text, is_warning=True)
