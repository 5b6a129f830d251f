"""Abuse: when something comes so thick that a moderator should know."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import count, islice

from gateway.rules.limits import Limit

MOST_CAUSES = 5_000  # remembered at once; the longest silent is forgotten first
_MOST_SAMPLES = 5  # of one burst, when it begins

Sample = Callable[[], str]


def _nothing() -> str:
    return ""


@dataclass(frozen=True, slots=True)
class Burst:
    """What was not told yet of a burst: how many, since when, and some of them to look at."""

    count: int
    since: datetime
    samples: tuple[Sample, ...]


@dataclass(slots=True)
class _Item:
    at: datetime
    sample: Sample
    is_told: bool = False


class Bursts:
    """Counts what comes under a cause within a sliding span of time.

    With a `value` only different values count: the names that one address asks for.
    """

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self._enough = max(1, limit.count)
        self._numbers = count()
        self._seen: OrderedDict[str, dict[object, _Item]] = OrderedDict()

    def note(
        self, cause: str, now: datetime, sample: Sample = _nothing, value: str | None = None
    ) -> Burst | None:
        """Count one more of `cause`; answers what there is to tell, once they are enough.

        `sample` says how it looked, if anybody asks.
        """
        items = self._items(cause)
        key = next(self._numbers) if value is None else value
        item = items.pop(key, _Item(now, sample))
        item.at, item.sample = now, sample
        items[key] = item
        if len(items) > self._enough:
            del items[next(iter(items))]
        if len(items) > _MOST_SAMPLES:
            # What a sample holds is most of the memory: only the last of them may be told.
            next(islice(reversed(items.values()), _MOST_SAMPLES, None)).sample = _nothing
        since = next(iter(items.values())).at
        if len(items) < self._enough or now - since > self.limit.within:
            return None
        untold = [each for each in items.values() if not each.is_told]
        if not untold:
            return None
        for each in untold:
            each.is_told = True
        samples = [each.sample for each in untold if each.sample is not _nothing]
        return Burst(len(untold), untold[0].at, tuple(samples[-_MOST_SAMPLES:]))

    def _items(self, cause: str) -> dict[object, _Item]:
        items = self._seen.setdefault(cause, {})
        self._seen.move_to_end(cause)
        if len(self._seen) > MOST_CAUSES:
            self._seen.popitem(last=False)
        return items
