"""A shift: one desk that is open, and its parts at work until they are relieved."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack

from gateway.app import open_desk
from gateway.desk import Desk
from gateway.settings.settings import Settings
from gateway.supervision import supervise

Parts = dict[str, Callable[[], Awaitable[None]]]


class Shift:
    """Opened with `Shift.open`, at work from `begin` to `end`, and closed with `close`."""

    def __init__(self, desk: Desk, leaving: AsyncExitStack) -> None:
        self.desk = desk
        self._leaving = leaving
        self._work: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, settings: Settings) -> "Shift":
        """Open the desk. Raises ConfigError."""
        async with AsyncExitStack() as leaving:
            desk = await leaving.enter_async_context(open_desk(settings))
            return cls(desk, leaving.pop_all())

    def begin(self, parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
        """Set the parts to work; each that falls is started again after a pause."""
        self._work = asyncio.create_task(_work(parts), name="shift")

    async def until(self, event: asyncio.Event) -> None:
        """Wait for `event`. Raises ConfigError when a part says what waiting cannot mend."""
        assert self._work is not None
        waiting = asyncio.create_task(event.wait())
        try:
            await asyncio.wait({waiting, self._work}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        if self._work.done():
            self._work.result()

    async def end(self) -> None:
        """Let the parts take their leave."""
        if self._work is not None:
            self._work.cancel()
            await asyncio.wait({self._work})

    async def close(self) -> None:
        """Close the desk."""
        await self._leaving.aclose()


async def _work(parts: Mapping[str, Callable[[], Awaitable[None]]]) -> None:
    try:
        async with asyncio.TaskGroup() as tasks:
            for name, work in parts.items():
                tasks.create_task(supervise(name, work), name=name)
    except ExceptionGroup as group:
        # Whichever part says it first: waiting mends none of it.
        raise group.exceptions[0] from None
