"""The token in each form: that the page was handed out, and a while ago.

`issued_at.nonce.signature`, the time in seconds since 1970. The desk keeps nothing of it.
"""

import secrets
from datetime import UTC, datetime, timedelta

from gateway.store.keyring import Keyring
from gateway.stories.human.proof import Expired, Kind, Proof, TooFast

VALID_FOR = timedelta(days=1)
LEAST = timedelta(seconds=2)  # in which a person can fill in two fields
_PURPOSE = "form"
_LONGEST = 100  # characters; ours have 76


def make(keyring: Keyring, now: datetime) -> str:
    """A token for a page that is handed out now. Raises OSError and ValueError for the keys."""
    text = f"{int(now.timestamp())}.{secrets.token_hex(16)}"
    return f"{text}.{keyring.sign(_PURPOSE, text)}"


def read(token: str, keyring: Keyring, now: datetime) -> Proof:
    """The proof in a token. Raises Expired, TooFast, and ValueError for what is none of ours."""
    text, _, signature = token.rpartition(".")
    if len(token) > _LONGEST or not keyring.is_signed(_PURPOSE, text, signature):
        raise ValueError("no token of ours")
    seconds, _, nonce = text.partition(".")
    until = datetime.fromtimestamp(int(seconds), UTC) + VALID_FOR
    age = now - (until - VALID_FOR)
    if age > VALID_FOR:
        raise Expired("its time is over")
    # Its time counts in whole seconds; one from the future was made before the clock was set back.
    if age < LEAST:
        raise TooFast("sent too soon after the page was handed out")
    return Proof(Kind.FORM, nonce, until)
