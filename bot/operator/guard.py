"""Whether a tuwunel has a token that lasts: while it has none at all, it asks nobody for one.

So since 1.4.8 (its `registration_tokens` service), whatever the way in which our tokens get in:
they end, and between two of them there may be none.
"""

from typing import Any

import aiohttp

from bot.operator.finding import Finding
from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.identity import Identity
from gateway.homeserver.version import parse_version
from gateway.settings import Homeserver

_SINCE = parse_version("1.4.8")
_REMEDY = "a long undisclosed registration_token in its configuration"


async def check_guard(
    session: aiohttp.ClientSession, homeserver: Homeserver, server: Identity
) -> list[Finding]:
    """Look for it where tuwunel tells its tokens; elsewhere it is for the operator to look."""
    version = server.version
    if server.key != "tuwunel" or (version.is_known and version < _SINCE):
        return []
    key = f"homeserver.{homeserver.way}"
    here = "a tuwunel that has no token for a moment lets everybody in without one"
    if homeserver.way != "admin_token" or homeserver.admin_token is None:
        return [
            Finding(f"{key}: {here}, and what it has is not told; make sure of {_REMEDY}", True)
        ]
    secret = homeserver.admin_token.get_secret_value()
    api = AdminApi(session, homeserver.url, secret, homeserver.timeout)
    try:
        answer = await api.ask("GET", "/v1/registration_tokens")
    except HomeserverError:
        return []  # the check of its tokens says why
    tokens = answer.body.get("registration_tokens")
    if not isinstance(tokens, list) or not tokens or any(map(_lasts, tokens)):
        return []  # also without any: then the sign-up is open, and told of
    return [Finding(f"{key}: {here}, and each that it has comes to an end; set {_REMEDY}")]


def _lasts(token: Any) -> bool:
    """As one does that stands in the server's configuration."""
    if not isinstance(token, dict):
        return False
    return token.get("uses_allowed") is None and token.get("expiry_time") is None
