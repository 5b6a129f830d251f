"""Addresses as they may stand in the room's history: recognised, but not collected."""

import re
from contextlib import suppress

from bot.answers import Part, code
from gateway.rules import addresses
from gateway.rules.networks import neighbourhood, plain_address
from gateway.store.registrations import Registration

FORGOTTEN = "forgotten"  # what is kept no more

_EMAIL = re.compile(r"[^\s@]+@(?=\S)")
_WORD = re.compile(r"[0-9a-fA-F:.]{2,}+(?![\w/])")


def masked(text: str) -> str:
    """`text` with the e-mail addresses and the single IP addresses in it shortened.

    Domains and networks are no person's, and stay.
    """
    return _WORD.sub(lambda found: _network(found[0]), _EMAIL.sub(_mailbox, text))


def address(each: Registration, *, full: bool) -> Part:
    """A request's e-mail address, or that it is kept no more."""
    if each.is_forgotten:
        return FORGOTTEN
    return code(each.email if full else addresses.masked(each.email))


def place(each: Registration, *, full: bool) -> Part:
    """From where a request came, its IP address or its network, as far as it is kept."""
    value = (full and each.ip) or each.network
    return code(value) if value else FORGOTTEN


def _mailbox(found: re.Match[str]) -> str:
    return f"{found[0][:1]}…@"


def _network(word: str) -> str:
    for end in (len(word), len(word.rstrip(".:"))):  # a sentence may end with an address
        with suppress(ValueError):
            network = neighbourhood(plain_address(word[:end]))
            return f"{str(network.network_address).rstrip('0')}…{word[end:]}"
    return word
