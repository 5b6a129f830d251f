"""Applicants who go on asking, whatever becomes of the desk, and remember what each was told."""

import asyncio
import itertools
import random
from collections import defaultdict
from collections.abc import Callable

import aiohttp

from tests.journeys.conftest import House

BANNED = "spammer"  # a name that the desk refuses
LOST = 0  # in the place of a status: asked, and never answered
_KINDS = ("good", "good", "good", "doubled", "banned", "malformed")


class Crowd:
    """`answered` is called at each answer, with its status."""

    def __init__(self, house: House, seed: int) -> None:
        self._house = house
        self._rng = random.Random(seed)
        self._numbers = itertools.count()
        self.heard: dict[str, list[int]] = defaultdict(list)  # by address
        self.answered: Callable[[int], None] = lambda status: None

    @property
    def asked(self) -> int:
        """Requests that reached the desk, or may have."""
        return sum(map(len, self.heard.values()))

    @property
    def promised(self) -> set[str]:
        """Who was told at least once that a mail will come."""
        return {email for email, heard in self.heard.items() if 200 in heard}

    @property
    def unsure(self) -> set[str]:
        """Who was told nothing: his request may have been recorded, or not."""
        return {email for email, heard in self.heard.items() if LOST in heard} - self.promised

    async def ask_on(self) -> None:
        """Ask until cancelled."""
        while True:
            number, kind = next(self._numbers), self._rng.choice(_KINDS)
            name, email = f"crowd-{number}", f"crowd-{number}@example.net"
            if kind == "banned":
                name = f"{BANNED}-{number}"
            elif kind == "malformed":
                name = f"Crowd {number}!"
            times = 2 if kind == "doubled" else 1
            await asyncio.gather(*(self._ask(name, email) for _ in range(times)))
            await asyncio.sleep(self._rng.uniform(0, 0.1))

    async def _ask(self, name: str, email: str) -> None:
        try:
            status = (await self._house.ask(name, email)).status
        except aiohttp.ClientConnectorError:
            return  # there is no desk at present
        except aiohttp.ClientError:
            status = LOST
        self.heard[email].append(status)
        self.answered(status)
