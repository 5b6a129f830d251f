"""A desk in a rush: more comes than it can bear, while bans and tokens change and mails go out."""

import asyncio
import itertools
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

from tests.bench.load import post, put_under_load
from tests.bench.servers import running
from tests.journeys.conftest import ROOT, House, OpenHouse
from tests.torture.load import Counts, quantile

_ROUNDS, _POSTS, _CONNECTIONS = 3, 1000, 16  # to find what the desk can bear
_SETTLED = 120.0  # seconds after which a desk has all that it needs in memory
_COMMANDS = (
    ("ban", "ip", "198.51.100.0/24"),
    ("ban", "email", "@rush.example"),
    ("unban", "ip", "198.51.100.0/24"),
    ("unban", "email", "@rush.example"),
    ("token", "rotate"),
)
_PAUSE = 10.0  # seconds between two commands
_PATIENCE = 120.0  # seconds for a command in this crowd
_GLANCE = 1.0


class Rush:
    """What a load of `tests.torture.load` does to the gateway with this process id."""

    def __init__(self, house: House, pid: int, seed: int) -> None:
        self._house, self._pid, self._seed = house, pid, seed
        self._commands: list[float] = []  # seconds that each took
        self._memory: list[float] = []  # MiB, at each glance
        self._settled = 0.0
        self.counts = Counts()
        self.bearable = 0.0

    @classmethod
    @asynccontextmanager
    async def on(cls, open_file_house: OpenHouse, seed: int) -> "AsyncIterator[Rush]":
        """A desk with a shared token, and a mail server that takes 200 ms for each mail."""
        with running("smtp") as port:
            plain = {"security": "none", "username": None, "password_file": None, "ca_file": None}
            house = await open_file_house(smtp={"host": "127.0.0.1", "port": port} | plain)
            bans = house.folder / "bans"
            bans.mkdir()
            (bans / "usernames.txt").write_text("^spammer\n")
            yield cls(house, (await house.serve()).pid, seed)

    @property
    def growth(self) -> float:
        """MiB that the desk grew by since it had settled."""
        return max(self._memory[-10:]) - self._settled

    async def measure(self) -> float:
        """What the desk can bear: forms a second that it accepts, each connection in its turn."""
        rates = []
        for turn in range(_ROUNDS):
            numbers = range(turn * _POSTS, (turn + 1) * _POSTS)
            load = [post(f"early{n}", f"early{n}@example.net", "11.0.0.1") for n in numbers]
            before = self.count("registrations")
            heard = await put_under_load(self._house.config["web"]["port"], load, _CONNECTIONS)
            rates.append(heard.rate * (self.count("registrations") - before) / _POSTS)
        self.bearable = median(rates)
        return self.bearable

    def count(self, table: str) -> int:
        """How many rows there are."""
        ((count,),) = self._house.rows(f"SELECT count(*) FROM {table}")
        return int(count)

    async def bear(self, rate: float, seconds: int) -> Counts:
        """So many requests a second for so long, and what became of them."""
        words = (self._house.config["web"]["port"], rate, seconds, self._seed)
        load = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.torture.load", *(str(int(word)) for word in words)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        beside = [asyncio.create_task(each) for each in (self._moderate(), self._watch())]
        said, _ = await load.communicate()
        for task in beside:
            task.cancel()
        done = await asyncio.gather(*beside, return_exceptions=True)
        assert all(isinstance(each, asyncio.CancelledError) for each in done), done
        assert load.returncode == 0
        self.counts = Counts.heard(said.decode())
        return self.counts

    async def _moderate(self) -> None:
        for words in itertools.cycle(_COMMANDS):
            await asyncio.sleep(_PAUSE)
            began = time.monotonic()
            porter = await self._house.start(*words)
            assert await porter.wait(_PATIENCE) == 0, porter.said
            self._commands.append(time.monotonic() - began)

    async def _watch(self) -> None:
        while True:
            self._memory.append(self._resident())
            if len(self._memory) * _GLANCE <= _SETTLED:
                self._settled = max(self._memory[-10:])
            await asyncio.sleep(_GLANCE)

    def _resident(self) -> float:
        status = Path(f"/proc/{self._pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    @property
    def figures(self) -> dict[str, object]:
        """What there is to tell; milliseconds count from when a request fell due."""
        counts = self.counts
        sent = self.count("mails WHERE status = 'sent'")
        return {
            "bearable: POST /register, accepted, a second": f"{self.bearable:,.0f}",
            "requests": f"{counts.total:,}",
            **counts.table,
            "connections that broke, were not to be had": f"{counts.broken}, {counts.unsent}",
            "the load itself was late by (p99, at most)": (
                f"{quantile(counts.late, 0.99)} ms, {quantile(counts.late, 1)} ms"
            ),
            "rows, mails sent meanwhile": f"{self.count('registrations'):,}, {sent:,}",
            "commands meanwhile, the slowest": (
                f"{len(self._commands)}, {max(self._commands, default=0):.1f} s"
            ),
            "memory at the start, settled, at the end": (
                f"{self._memory[0]:.0f}, {self._settled:.0f}, {self._memory[-1]:.0f} MiB"
            ),
        }
