"""The doorway: what visitors pass through, whichever door hangs in it at the moment.

A door may be changed for another while they come and go. Each of them has his answer from the door
that he came to, and no connection ends.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from aiohttp import web

from gateway.web.door import Door
from gateway.web.pages import Pages

_Step = Callable[[Door, web.Request], Awaitable[web.StreamResponse]]


class Doorway:
    """Where a door hangs, and how many are on their way through it or through one before."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._inside: Counter[Door] = Counter()
        self._left = asyncio.Event()

    def pages(self) -> Pages:
        """The pages of the present door."""
        return self._door.pages

    def hang(self, door: Door) -> None:
        """Whoever comes from now on comes to `door`."""
        self._door = door

    def through(self, step: _Step) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler that takes `step` with the present door."""

        async def handle(request: web.Request) -> web.StreamResponse:
            door = self._door
            self._inside[door] += 1
            try:
                return await step(door, request)
            finally:
                self._inside[door] -= 1
                self._left.set()

        return handle

    async def settled(self) -> None:
        """Wait until nobody is on his way through another door than the present one."""
        while any(count for door, count in self._inside.items() if door is not self._door):
            self._left.clear()
            await self._left.wait()
        self._inside = +self._inside
