"""Applicants who go on asking while the mail server does what it likes, and what comes of it."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.journeys.conftest import AUTHORITY, SMTP_PASSWORD, House, OpenHouse, Porter, token_of
from tests.stand_ins.hostile_post import Fault, HostilePost

FAULTS: dict[str, Fault] = {
    "hangs up at once": Fault("connect", "cut"),
    "421 as a greeting": Fault("greeting", "busy"),
    "says nothing": Fault("greeting", "silence"),
    "no TLS in the handshake": Fault("handshake", "silence"),
    "refuses our log-in": Fault("auth", "say", "535 5.7.8 no"),
    "refuses our sender": Fault("mail", "say", "550 5.7.1 not yours"),
    "greylists": Fault("rcpt", "say", "451 4.7.1 come again"),
    "tarpit": Fault("rcpt", "tarpit"),
    "lines without end": Fault("rcpt", "endless"),
    "a line without end": Fault("ehlo", "flood"),
    "garbage": Fault("mail", "garbage"),
    "NUL": Fault("data", "nul"),
    "cut in the middle": Fault("half", "cut"),
    "cut after the final dot": Fault("dot", "cut"),
    "too late with its 250": Fault("dot", "late", seconds=2.0),
}


@asynccontextmanager
async def hostile_house(
    open_house: OpenHouse, connections: int = 4
) -> AsyncIterator[tuple[House, HostilePost]]:
    """A desk whose mails may take a second, and its mail server."""
    post = HostilePost(AUTHORITY, SMTP_PASSWORD)
    await post.start()
    try:
        smtp = {"port": post.port, "timeout": "1s", "connections": connections}
        yield await open_house(smtp=smtp), post
    finally:
        await post.stop()


@dataclass
class Load:
    """Applicants one after the other, each at his time, whatever the desk makes of it."""

    house: House
    rate: float  # a second
    statuses: Counter[int]
    numbers: "itertools.count[int]"

    async def go_on(self, seconds: float, kind: str) -> tuple[list[str], list[float]]:
        """Ask for so long: the addresses of those who were heard, and everybody's milliseconds from
        when he was due. Whoever finds the desk busy is told so."""
        began, asked = time.monotonic(), []
        for number in range(round(seconds * self.rate)):
            due = began + number / self.rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            name = f"{kind}{next(self.numbers)}"
            asked.append(asyncio.create_task(self._ask(name, due)))
        done = await asyncio.gather(*asked)
        assert set(self.statuses) <= {200, 503}, self.statuses
        heard = [email for email, status, _ in done if status == 200]
        assert len(heard) > len(done) / 2
        return heard, [lasted for _, _, lasted in done]

    async def _ask(self, name: str, due: float) -> tuple[str, int, float]:
        email = f"{name}@example.net"
        reply = await self.house.ask(name, email)
        self.statuses[reply.status] += 1
        return email, reply.status, (time.monotonic() - due) * 1000


def p99(milliseconds: list[float]) -> float:
    return sorted(milliseconds)[min(len(milliseconds) - 1, len(milliseconds) * 99 // 100)]


def sockets(porter: Porter) -> int:
    """How many sockets a process has open."""
    found = 0
    for each in Path(f"/proc/{porter.pid}/fd").iterdir():
        try:
            found += str(each.readlink()).startswith("socket:")
        except FileNotFoundError:  # closed meanwhile
            continue
    return found


async def heal(house: House, post: HostilePost, emails: list[str], limit: float = 60.0) -> float:
    """The server is well again: how many seconds until all that is owed has gone out."""
    post.usual = None
    post.faults.clear()
    began = time.monotonic()
    await house.until_nothing_is_owed(limit=limit)
    assert [house.statuses(email) for email in emails] == [["mailed"]] * len(emails)
    return time.monotonic() - began


def copies(post: HostilePost, emails: list[str]) -> Counter[int]:
    """How many have how many mails; all of one person's are one and the same."""
    for email in emails:
        mails = post.to(email)
        assert len({mail["Message-ID"] for mail in mails}) == 1, email
        assert len({token_of(mail) for mail in mails}) == 1, email
    return Counter(len(post.to(email)) for email in emails)
