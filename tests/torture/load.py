"""A mixed load that falls due whatever the desk makes of it, from a process of its own:
`python -m tests.torture.load PORT RATE SECONDS SEED`.

It does not slow down with the desk (open loop): a request's time counts from when it fell due, so
that one which waited for its turn is as late as its applicant felt it. It prints one JSON line.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.bench.load import get, post, post_json

ADDRESSES = 10_000  # of clients
_MOST_CONNECTIONS = 2_000
_STALE = 10.0  # seconds after which a kept connection may be closed on the other side
_PATIENCE = 30.0  # seconds for the last answers
_TURN = 64  # requests in a row before the answers are looked at
# What comes, of a hundred requests. `banned` are of the network and the name that a test bans.
MIX = {
    "front": 20,
    "static": 10,
    "form": 30,
    "json": 15,
    "repeated": 10,
    "malformed": 5,
    "banned": 10,
}


class Mix:
    """Requests of all kinds, in an order that comes from the seed."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(seed)
        self._mark = f"{seed:x}"
        self._kinds, self._weights = list(MIX), list(MIX.values())
        self._deck: list[str] = []
        self._number = 0

    def next(self) -> tuple[str, bytes]:
        """A kind and a request."""
        if not self._deck:
            self._deck = self._rng.choices(self._kinds, self._weights, k=1000)
        kind = self._deck.pop()
        return kind, self._request(kind)

    def _request(self, kind: str) -> bytes:
        client = self._rng.randrange(ADDRESSES)
        ip = f"11.{client >> 8}.{client & 255}.7"
        match kind:
            case "front":
                return get("/")
            case "static":
                return get("/static/porter.css")
            case "malformed":
                return post("No Name!", "nobody", ip)
            case "banned":
                return post(f"spammer{self._number}", "spam@example.net", ip)
            case "repeated":
                number = self._rng.randrange(self._number or 1)
                return post(f"again{number}", f"m{number}-{self._mark}@example.net", ip)
        self._number += 1
        name, email = f"n{self._number}-{self._mark}", f"m{self._number}-{self._mark}@example.net"
        return (post_json if kind == "json" else post)(name, email, ip)


@dataclass
class Counts:
    """How a load went: of each kind and status the whole milliseconds, and how often each."""

    times: dict[tuple[str, int], Counter[int]] = field(default_factory=lambda: defaultdict(Counter))
    late: Counter[int] = field(default_factory=Counter)  # milliseconds after a request fell due
    broken: int = 0  # requests whose connection ended before the answer
    unsent: int = 0  # requests for which there was no connection
    unanswered: int = 0

    @classmethod
    def heard(cls, said: str) -> "Counts":
        """What another process said of them."""
        data = json.loads(said)
        times = data.pop("times")
        counts = cls(late=Counter(dict(data.pop("late"))), **data)
        for kind, status, spans in times:
            counts.times[kind, status].update(dict(spans))
        return counts

    def said(self) -> str:
        """The same for another process."""
        data = vars(self) | {"late": list(self.late.items())}
        data["times"] = [(*each, list(spans.items())) for each, spans in self.times.items()]
        return json.dumps(data)

    @property
    def total(self) -> int:
        return sum(spans.total() for spans in self.times.values())

    @property
    def statuses(self) -> set[int]:
        return {status for _, status in self.times}

    def accepted(self, share: float) -> int:
        """Milliseconds within which so many of the accepted requests were answered."""
        spans = (each for (kind, status), each in self.times.items() if _is_accepted(kind, status))
        return quantile(sum(spans, Counter()), share)

    @property
    def table(self) -> dict[str, str]:
        """One line for each kind and status."""
        return {
            f"{kind} {status}": (
                f"{spans.total():>9,}   median {quantile(spans, 0.5):>4} ms,"
                f" p99 {quantile(spans, 0.99):>4} ms, at most {max(spans):>4} ms"
            )
            for (kind, status), spans in sorted(self.times.items())
        }


def quantile(spans: Counter[int], share: float) -> int:
    """The smallest span that at least such a share does not exceed."""
    left = share * spans.total()
    for span in sorted(spans):
        left -= spans[span]
        if left <= 0:
            return span
    return 0


def _is_accepted(kind: str, status: int) -> bool:
    return status == 200 and kind in ("form", "json", "repeated")


class Caller(asyncio.Protocol):
    """A connection that is kept, with at most one request under way."""

    def __init__(self, load: "Load") -> None:
        self._load = load
        self._transport: asyncio.Transport | None = None
        self._got = b""
        self._kind, self._due = "", 0.0
        self.idle_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self, kind: str, request: bytes, due: float) -> None:
        assert self._transport is not None
        self._kind, self._due = kind, due
        self._transport.write(request)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._got += data
        head, found, body = self._got.partition(b"\r\n\r\n")
        if not found:
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        if len(body) < length:
            return
        now = time.perf_counter()
        self._load.counts.times[self._kind, int(head[9:12])][int((now - self._due) * 1000)] += 1
        self._got, self._kind, self.idle_since = b"", "", now
        self._load.idle.append(self)

    def connection_lost(self, error: Exception | None) -> None:
        if self._kind:
            self._load.counts.broken += 1
        elif self in self._load.idle:
            self._load.idle.remove(self)
        self._transport = None
        self._load.connections -= 1


class Load:
    """So many requests a second for so long."""

    def __init__(self, port: int, next_request: Callable[[], tuple[str, bytes]]) -> None:
        self._port = port
        self._next = next_request
        self.counts = Counts()
        self.idle: list[Caller] = []
        self.connections = 0
        self._opening: set[asyncio.Task[None]] = set()

    async def run(self, rate: float, seconds: float) -> Counts:
        began = time.perf_counter()
        for number in range(int(rate * seconds)):
            due = began + number / rate
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            elif number % _TURN == 0:
                await asyncio.sleep(0)
            self.counts.late[int((time.perf_counter() - due) * 1000)] += 1
            self._ask(*self._next(), due)
        end = time.perf_counter() + _PATIENCE
        while len(self.idle) < self.connections and time.perf_counter() < end:
            await asyncio.sleep(0.05)
        self.counts.unanswered = self.connections - len(self.idle)
        for caller in tuple(self.idle):
            caller.close()
        return self.counts

    def _ask(self, kind: str, request: bytes, due: float) -> None:
        while self.idle:
            caller = self.idle.pop()
            if time.perf_counter() - caller.idle_since < _STALE:
                caller.ask(kind, request, due)
                return
            caller.close()
        if self.connections >= _MOST_CONNECTIONS:
            self.counts.unsent += 1
            return
        self.connections += 1
        opening = asyncio.create_task(self._open(kind, request, due))
        self._opening.add(opening)
        opening.add_done_callback(self._opening.discard)

    async def _open(self, kind: str, request: bytes, due: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            _, caller = await loop.create_connection(lambda: Caller(self), "127.0.0.1", self._port)
        except OSError:
            self.connections -= 1
            self.counts.broken += 1
        else:
            caller.ask(kind, request, due)


if __name__ == "__main__":
    port, rate, seconds, seed = map(int, sys.argv[1:])
    print(asyncio.run(Load(port, Mix(seed).next).run(rate, seconds)).said())
