"""A proof that a person may be at work: what it is, and that it counts once."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What was proved."""

    WORK = "work"  # a challenge was solved
    FORM = "form"  # the page was looked at for a while


@dataclass(frozen=True, slots=True)
class Proof:
    """Good for one request `until` then."""

    kind: Kind
    id: str
    until: datetime


class Expired(ValueError):
    """It was a proof of ours, and its time is over."""


class TooFast(ValueError):
    """Nobody fills in a form so fast."""
