"""The challenge of the proof of work, made and read by altcha (its second protocol, PBKDF2).

The desk keeps nothing of it: what has to be known later is signed. Making one costs as much as
one try of the solver (0.15 ms), believing a solution two signatures (0.05 ms).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import altcha

from gateway.rules.effort import COST
from gateway.stories.human.proof import Expired, Kind, Proof

VALID_FOR = timedelta(minutes=10)
_LONGEST = 2048  # characters of a solution; ours have about 750


@dataclass(frozen=True, slots=True)
class Seal:
    """The two secrets that make a challenge ours: one for what is asked, one for the answer."""

    question: str
    answer: str


def make(most_tries: int, seal: Seal, now: datetime) -> dict[str, Any]:
    """A challenge as altcha's clients read it, with its life in seconds besides."""
    challenge = altcha.create_challenge(
        "PBKDF2/SHA-256",
        COST,
        counter=secrets.randbelow(most_tries),
        expires_at=now + VALID_FOR,
        hmac_secret=seal.question,
        hmac_key_secret=seal.answer,
    )
    return {**challenge.to_dict(), "valid_for": int(VALID_FOR.total_seconds())}


def read(text: str, seals: Sequence[Seal], now: datetime) -> Proof:
    """The proof in a solution (base64 of JSON, as altcha has it).

    Raises Expired, and ValueError for what is no solution of a challenge of ours.
    """
    if len(text) > _LONGEST:
        raise ValueError("too long for a solution")
    try:
        solved = altcha.Payload.from_base64(text)
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        raise ValueError("no solution") from None
    found = [_verify(solved, seal) for seal in seals]
    if any(each.expired for each in found):
        raise Expired("its time is over")
    if not any(each.verified for each in found):
        raise ValueError("not solved, or no challenge of ours")
    asked = solved.challenge.parameters  # signed, so it is as we wrote it
    assert asked.expires_at is not None
    until = datetime.fromtimestamp(asked.expires_at, UTC)
    if not now < until <= now + VALID_FOR:  # the later end: the clock was set back
        raise Expired("its time is over")
    return Proof(Kind.WORK, asked.nonce, until)


def _verify(solved: altcha.Payload, seal: Seal) -> altcha.VerifySolutionResult:
    return altcha.verify_solution(solved, seal.question, hmac_key_secret=seal.answer)
