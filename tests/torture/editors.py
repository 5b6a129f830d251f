"""Those who edit the ban files meanwhile: a moderator in the terminal, and somebody by hand."""

import asyncio
import itertools
import random
from pathlib import Path

from gateway.rules.bans import Kind, parse_line
from tests.journeys.conftest import House

_BAN, _LIFT = "ban", "unban"


class Editors:
    """What they wrote, and what was promised to them."""

    def __init__(self, house: House, seed: int) -> None:
        self._house = house
        self._rng = random.Random(seed)
        self._numbers = itertools.count()
        self.by_hand: set[str] = set()
        self.banned: set[str] = set()  # the command ended well
        self.lifted: set[str] = set()
        self.interrupted: set[str] = set()  # the command was killed: done or not
        self.kills = 0

    @property
    def file(self) -> Path:
        return self._house.folder / "bans" / "emails.txt"

    async def write_on(self) -> None:
        """Append a line now and then, as an editor or `echo` does."""
        while True:
            value = f"@hand-{next(self._numbers)}.example"
            with self.file.open("a") as stream:
                stream.write(f"{value}\n")
            self.by_hand.add(value)
            await asyncio.sleep(self._rng.uniform(0.1, 0.5))

    async def command_on(self) -> None:
        """Ban and lift bans in the terminal; every third command is killed on the way."""
        while True:
            await asyncio.sleep(self._rng.uniform(0, 2))
            await self._command(_BAN, f"@typed-{next(self._numbers)}.example", self.banned)
            if self.banned and self._rng.random() < 0.3:
                value = self._rng.choice(sorted(self.banned))
                self.banned.remove(value)
                await self._command(_LIFT, value, self.lifted)

    async def _command(self, word: str, value: str, done: set[str]) -> None:
        self.interrupted.add(value)  # until it is known to have ended well
        porter = await self._house.start(word, "email", value)
        if self._rng.random() < 0.33:
            await asyncio.sleep(self._rng.uniform(0.3, 1.5))
            await porter.kill()
            self.kills += 1
        status = await porter.wait()
        assert status in (0, -9), porter.said
        if status == 0:
            self.interrupted.remove(value)
            done.add(value)

    def assert_all_is_kept(self) -> None:
        """Each ban stands once in the file, and once in the audit, and lifted ones do not."""
        lines = self.file.read_text().splitlines()
        bans = [parse_line(Kind.EMAIL, line) for line in lines]  # ValueError: a broken line
        values = [ban.value for ban in bans if ban is not None]
        assert len(values) == len({*values}), "a ban stands twice"
        kept = {*values}
        assert self.by_hand | self.banned <= kept <= self.by_hand | self.banned | self.interrupted
        query = "SELECT action, subject FROM audit WHERE action IN (?, ?)"
        entries = self._house.rows(query, _BAN, _LIFT)
        assert len(entries) == len({*entries}), "a change stands twice in the audit"
        told = {value for action, value in entries if action == _BAN}
        lifted = {value for action, value in entries if action == _LIFT}
        written = {f"email {value}" for value in kept - self.by_hand}
        assert written == told - lifted
        assert {f"email {value}" for value in self.lifted} <= lifted
        assert not self._house.rows("SELECT 1 FROM intents")
