"""What a homeserver of the conduwuit family replies in its admin room.

Continuwuity since 0.5.2: "New registration token issued: `T` . Expires after 1 uses.", and with its
own log-in pages a second line, "Invite link using this token: https://...". Tuwunel since 1.5:
"New registration token issued: `T` - Token used 0 times. Expires after 1 uses."
"""

import re

# What a token may be made of, by the Matrix specification: nothing that could be another command.
_TOKEN = re.compile(r"\bissued: `([A-Za-z0-9._~-]{1,64})`")
_LINK = re.compile(r"^Invite link using this token: <?(https?://[^\s<>]+)>?\s*$", re.MULTILINE)


def token_in(reply: str) -> str | None:
    """The token that a reply tells of."""
    found = _TOKEN.search(reply)
    return None if found is None else found[1]


def link_in(reply: str) -> str | None:
    """The link to a page on which the token is filled in already."""
    found = _LINK.search(reply)
    return None if found is None else found[1]
