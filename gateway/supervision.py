"""Supervision: a part that falls is started again after a pause, and the others go on."""

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from gateway.settings.config import ConfigError

_log = structlog.get_logger(__name__)

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_WELL_AFTER = 300.0  # seconds of work after which a fall counts as the first again


async def supervise(
    name: str, work: Callable[[], Awaitable[None]], *, first_pause: float = _FIRST_PAUSE
) -> None:
    """Run `work` until it is cancelled; when it raises, log that and run it again.

    A ConfigError goes on to the caller: no pause mends a configuration.
    """
    pause = first_pause
    while True:
        began = time.monotonic()
        try:
            await work()
        except ConfigError:
            raise
        except Exception as error:
            if time.monotonic() - began > _WELL_AFTER:
                pause = first_pause
            _log.exception("part_fell", part=name, reason=str(error), again_in=pause)
        else:
            return
        await asyncio.sleep(pause)
        pause = min(pause * 2, _LONGEST_PAUSE)
