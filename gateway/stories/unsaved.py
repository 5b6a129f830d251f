"""What the desk could not save: remembered here, for then there is nowhere else to note it."""

from dataclasses import dataclass
from datetime import datetime

import structlog

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Outage:
    """A time in which the database took nothing, and how many requests were turned away."""

    since: datetime
    last: datetime
    requests: int
    reason: str


class Unsaved:
    """Collects until somebody takes it to tell the room."""

    def __init__(self) -> None:
        self._outage: Outage | None = None

    def note(self, reason: str, now: datetime, requests: int = 0) -> None:
        """The database did not take something; said in the log at once, once for each outage."""
        known = self._outage
        if known is None:
            _log.error("desk_cannot_save", reason=reason)
            known = Outage(now, now, 0, reason)
        self._outage = Outage(known.since, now, known.requests + requests, reason)

    def take(self) -> Outage | None:
        """What there is to tell, which is forgotten with that."""
        taken, self._outage = self._outage, None
        return taken

    def give_back(self, outage: Outage) -> None:
        """It could not be told either."""
        fresh = self._outage
        requests = outage.requests + (fresh.requests if fresh else 0)
        last = fresh or outage
        self._outage = Outage(outage.since, last.last, requests, last.reason)
