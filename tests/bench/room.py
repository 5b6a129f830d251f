"""Commands in an encrypted room on a real Synapse, from saying one to hearing its answer."""

import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median, quantiles

from bot.room.member import Member
from tests.bench.desk import BOT, moderated
from tests.bench.servers import porter

COUNT = 500


def measure() -> list[tuple[str, str]]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[tuple[str, str]]:
    async with moderated(folder) as (config, member):
        with porter(config, "bot"):
            await member.has_joined(BOT)
            await member.ask("!porter status")
            waits = [await _wait(member) for _ in range(COUNT)]
            spoken, heard = await _burst(member)
    return [
        (
            f"{COUNT} commands one after the other, median (goal: under 150 ms)",
            f"{median(waits) * 1000:.0f} ms",
        ),
        ("their p99 (goal: under 500 ms)", f"{quantiles(waits, n=100)[98] * 1000:.0f} ms"),
        (
            f"{COUNT} commands in a burst, all answered once and in order; said in {spoken:.1f} s",
            f"{COUNT / heard:.0f} a second",
        ),
    ]


async def _wait(member: Member) -> float:
    begun = time.perf_counter()
    await member.ask("!porter status")
    return time.perf_counter() - begun


async def _burst(member: Member) -> tuple[float, float]:
    """Seconds for saying all, and until the last was answered."""
    begun = time.perf_counter()
    asked = [await member.say("!porter help token") for _ in range(COUNT)]
    spoken = time.perf_counter() - begun
    await member.answers_to(asked[-1])
    heard = time.perf_counter() - begun
    order = [event_id for event_id in member.answered if event_id in set(asked)]
    answers = [len(await member.answers_to(event_id)) for event_id in asked]
    assert order == asked, "not in order"
    assert answers == [1] * COUNT, "not once"
    return spoken, heard
