"""`porter run` at rest, in its room on a real Synapse."""

import asyncio
import tempfile
from pathlib import Path

from tests.bench.desk import BOT, moderated
from tests.bench.servers import porter

REST = 20.0  # seconds after the bot has joined


def measure() -> list[tuple[str, str]]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[tuple[str, str]]:
    async with moderated(folder) as (config, member):
        with porter(config, "run") as pid:
            await member.has_joined(BOT)
            await member.ask("!porter status")
            before = _cpu_seconds(pid)
            await asyncio.sleep(REST)
            share = (_cpu_seconds(pid) - before) / REST
            return [
                ("resident memory (goal: under 120 MiB)", f"{_resident(pid):.0f} MiB"),
                ("processor time at rest", f"{share:.1%} of one core"),
            ]


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has no VmRSS")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
