"""How many requests are heard at this moment, and when one more would only make all of them wait.

Beyond what the desk can do, a queue grows until everybody waits for seconds; most of them then give
up and come again. So there is none: whoever is one too many is told so at once.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_CROWD = 16  # requests at one moment
_MOST = 64  # a batch of the database
_FEW = 8  # while decisions are late
_LATE = 0.1  # seconds for one decision, from its request's turn to its commit


class Hearing:
    """Counts who is heard, `with hearing:` around each of them. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._under_way = 0
        self._late_until = 0.0

    @property
    def is_crowded(self) -> bool:
        """Whether nobody should wait for other servers."""
        return self._under_way > _CROWD

    @property
    def is_full(self) -> bool:
        """Whether there is no room for one more."""
        return self._under_way >= (_FEW if self._clock() < self._late_until else _MOST)

    def __enter__(self) -> None:
        self._under_way += 1

    def __exit__(self, *failure: object) -> None:
        self._under_way -= 1

    @contextmanager
    def deciding(self) -> Iterator[None]:
        """Around the decision alone: no other server's slowness is the desk's.

        A late one says that the disk, the processor or the loop is behind with its work; so that
        it can catch up, only few are heard for as long.
        """
        began = self._clock()
        try:
            yield
        finally:
            now = self._clock()
            if now - began > _LATE:
                self._late_until = now + (now - began)
