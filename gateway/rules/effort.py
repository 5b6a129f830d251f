"""How hard the proof of work is: harder on a busy desk, and for a network that was refused often.

A try is one PBKDF2 of `COST` iterations, so that a browser is about as fast at it as a program.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from gateway.rules.limits import Limit

COST = 500  # iterations of one try
LATELY = timedelta(minutes=5)  # in which a crowd shows
MEMORY = timedelta(hours=1)  # for which a network's refusals count

_LEAST = 2000  # tries at most for the first comer: 0.1 s on a desktop, half a second on a phone
_MOST_DOUBLINGS = 4  # 32,000 tries: a phone takes about six seconds, rarely more than ten
_QUIET = 10  # requests within LATELY that are no crowd on any desk
_UNLIMITED = 60  # the same where no limit says what is usual


@dataclass(frozen=True, slots=True)
class Strain:
    """What weighs on the desk: requests heard lately in all, and those refused from one network."""

    heard: int
    refused: int


def most_tries(strain: Strain, usual: int) -> int:
    """Within how many tries a challenge can be solved; half of them on the average.

    Doubled with each doubling of what was heard beyond the `usual`, and of the refusals beyond
    the first, which is anybody's typing error.
    """
    crowd = (strain.heard // usual).bit_length() - 1 if strain.heard >= usual else 0
    suspicion = max(0, strain.refused.bit_length() - 1)
    return _LEAST << min(_MOST_DOUBLINGS, crowd + suspicion)


def usual(limits: Sequence[Limit]) -> int:
    """How many requests within LATELY are no crowd: as many as the widest of the limits allows."""
    shares = [int(each.count * (LATELY / each.within)) for each in limits]
    return max(_QUIET, *shares) if shares else _UNLIMITED


def worth_counting(usual: int) -> Strain:
    """Beyond this strain nothing gets harder, so that counting may end there."""
    return Strain(usual << _MOST_DOUBLINGS, 2 << _MOST_DOUBLINGS)
