"""Presence: which gateways are at work on one state folder, told by a lock that ends with them.

Leases end by their time alone, and a process that was killed leaves some behind. Whoever finds
himself alone knows that all of them are left over, and need not wait.
"""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def present(path: Path, when_alone: Callable[[], Awaitable[None]]) -> AsyncIterator[None]:
    """Be seen while the block lasts. `when_alone` is done first, if nobody else is seen.

    Nobody enters the block meanwhile. Raises OSError when there can be no lock at `path`.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass  # somebody is here, or is just arriving
        else:
            await when_alone()
        # Another one may arrive before this: nothing of ours is there yet for him to clear away.
        await asyncio.to_thread(fcntl.flock, descriptor, fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)
