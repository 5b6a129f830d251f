"""Whether a tuwunel stays closed while it cannot read its token file.

Since 1.4.8 (its `registration_tokens` service) it asks nobody for a token while it has none. By the
other ways the desk itself keeps one there; a file may be unreadable to the homeserver alone.
"""

from bot.operator.finding import Finding
from gateway.homeserver.identity import Identity
from gateway.homeserver.version import parse_version
from gateway.settings.homeserver import Homeserver

_SINCE = parse_version("1.4.8")


def check_guard(homeserver: Homeserver, server: Identity) -> list[Finding]:
    """What stands in its configuration is not told: it is for the operator to look."""
    version = server.version
    if server.key != "tuwunel" or (version.is_known and version < _SINCE):
        return []
    if homeserver.way != "token_file":
        return []
    text = (
        "homeserver.token_file: a tuwunel that cannot read it lets everybody in without a token;"
        " make sure of a long undisclosed registration_token in its configuration"
    )
    return [Finding(text, is_warning=True)]
