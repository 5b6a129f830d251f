"""Abuse: when refused requests come so thick that a moderator should know."""

from collections import OrderedDict, deque
from datetime import datetime

from gateway.rules.limits import Limit

_MOST_CAUSES = 10_000  # remembered at once; the longest silent is forgotten first


class Bursts:
    """Counts refused requests by cause within a sliding span of time."""

    def __init__(self, limit: Limit) -> None:
        self._limit = limit
        self._enough = max(1, limit.count)
        self._times: OrderedDict[str, deque[datetime]] = OrderedDict()

    def note(self, cause: str, now: datetime) -> bool:
        """Count one more of `cause`; whether there are now enough of them for an alert."""
        times = self._times.setdefault(cause, deque(maxlen=self._enough))
        self._times.move_to_end(cause)
        if len(self._times) > _MOST_CAUSES:
            self._times.popitem(last=False)
        times.append(now)
        full = len(times) == self._enough
        return full and now - times[0] <= self._limit.within
