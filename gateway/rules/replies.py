"""What a homeserver of the conduwuit family replies in its admin room.

Continuwuity since 0.5.2: "New registration token issued: `T` . Expires after 1 uses.", and with its
own log-in pages a second line, "Invite link using this token: https://...". Tuwunel since 1.5:
"New registration token issued: `T` - Token used 0 times. Expires after 1 uses."
"""

import re

# What a token may be made of, by the Matrix specification; and nothing that looks like a flag.
_TOKEN = re.compile(r"\bissued: `([A-Za-z0-9._~][A-Za-z0-9._~-]{0,63})`")
_LINK = re.compile(r"^Invite link using this token: <?(https?://[^\s<>]+)>?\s*$", re.MULTILINE)
_COUNT = re.compile(r"^Found (\d+) registration tokens:$", re.MULTILINE)
_LISTED = re.compile(r"^- `([^`\s]+)` --- (.+)$", re.MULTILINE)
_USED = re.compile(r"\bused (\d+) times\b")
_FAILED = re.compile(r"^Command failed with error:\n+```\n(.+)$", re.MULTILINE)
_MISUSED = re.compile(r"^error: (.+)$", re.MULTILINE)
_PANIC = re.compile(r"^Panic occurred while processing command", re.MULTILINE)
_LONGEST = 200  # characters of a complaint that are passed on


def token_in(reply: str) -> str | None:
    """The token that a reply tells of."""
    found = _TOKEN.search(reply)
    return None if found is None else found[1]


def link_in(reply: str) -> str | None:
    """The link to a page on which the token is filled in already."""
    found = _LINK.search(reply)
    return None if found is None else found[1]


def listed(reply: str) -> dict[str, int] | None:
    """How often each token was used that is in force; None when the reply is no whole list.

    A token that is used up is not listed, nor one that has expired.
    """
    count = _COUNT.search(reply)
    found = {value: _USED.search(told) for value, told in _LISTED.findall(reply)}
    if count is None or len(found) != int(count[1]):
        return None
    return {value: int(used[1]) if used else 0 for value, used in found.items()}


def complaint_in(reply: str) -> str:
    """Why a command was not carried out, in the server's words; they hold no token."""
    found = _FAILED.search(reply) or _MISUSED.search(reply)
    if found is not None:
        return found[1].strip()[:_LONGEST].rstrip(".")
    if _PANIC.search(reply):
        return "it panicked"
    return "its reply is none that is known"
