"""How screening holds up under a million networks, a million addresses and 10,000 patterns.

`python -m tests.bench.screening` prints the table; `measure` is for the whole benchmark. The desk
is a process of its own, so that its memory is honest, and the ban that it adds is noticed by a
second one.
"""

import asyncio
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from statistics import median, quantiles

from gateway.rules.bans import Ban, Kind
from gateway.rules.opening import Opening
from gateway.rules.screening import Application, screen
from gateway.store.ban_files import FILES, BanFiles

NETWORKS = 1_000_000
ADDRESSES = 1_000_000
PATTERNS = 10_000
APPLICANTS = 5_000
ADDED = 20  # bans added one after another at that size

_ROOT = Path(__file__).parents[2]
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnr" for vowel in "aeio"]
_NEW = "198.51.100."  # the networks that the running desk adds
_REMARK = "  # by @mod:example.org | 2026-11-23T10:04Z | open proxy"


def measure() -> list[tuple[str, str]]:
    """What was measured, row by row: what it is with its goal, and the figure."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write_lists(folder)
        figures = json.loads(_run("desk", folder))
    return [
        (f"{NETWORKS:,} networks, {ADDRESSES:,} addresses, {PATTERNS:,} patterns", ""),
        ("  read at start (goal: under 20 s)", f"{figures['load']:.1f} s"),
        ("  resident afterwards (goal: under 600 MiB)", f"{figures['resident']:.0f} MiB"),
        ("  resident at most, adding and noticing included", f"{figures['peak']:.0f} MiB"),
        ("  one application, median (goal: under 0.5 ms)", f"{figures['median']:.3f} ms"),
        ("  one application, p99 (goal: under 2 ms)", f"{figures['p99']:.3f} ms"),
        ("  one more ban, median (goal: under 10 ms)", f"{figures['add']:.2f} ms"),
        ("  one more ban, slowest", f"{figures['add_slowest']:.2f} ms"),
        ("  in force in another process (goal: under 1.5 s)", f"{figures['noticed']:.2f} s"),
    ]


def _write_lists(folder: Path) -> None:
    """Half of the lines bare, as an import leaves them, half with the remark of a moderator."""
    rng = random.Random(1)
    for kind, lines in (
        (Kind.IP, _networks(rng)),
        (Kind.EMAIL, _addresses(rng)),
        (Kind.NAME, _patterns(rng)),
    ):
        with (folder / FILES[kind]).open("w") as stream:
            stream.writelines(f"{line}{rng.choice(('', _REMARK))}\n" for line in lines)
            stream.flush()
            os.fsync(stream.fileno())  # or the first ban would wait for all of them


def _networks(rng: random.Random) -> Iterator[str]:
    for _ in range(NETWORKS):
        roll = rng.random()
        if roll < 0.7:
            yield str(IPv4Address(rng.randrange(1 << 24, 223 << 24)))
        elif roll < 0.85:
            network = IPv4Address(rng.randrange(1 << 24, 223 << 24) >> 8 << 8)
            yield f"{network}/{rng.choice((24, 24, 25, 26, 28))}"
        else:
            network6 = IPv6Address((0x2001 << 112) + (rng.getrandbits(48) << 64))
            yield f"{network6}/{rng.choice((48, 56, 64, 64))}"


def _addresses(rng: random.Random) -> Iterator[str]:
    for number in range(ADDRESSES):
        domain = rng.choice(
            ("example.org", "gmail.com", "example.net", f"d{number % 5000}.example")
        )
        yield (
            f"@{_word(rng)}{number}.example"
            if number % 10 == 0
            else f"{_word(rng)}{number}@{domain}"
        )


def _patterns(rng: random.Random) -> Iterator[str]:
    for number in range(PATTERNS):
        word = f"{_word(rng)}{_word(rng)}"
        yield rng.choice(
            (
                word,
                f"^{word}$",
                f"^{word}[0-9]*$",
                f"(^|[._-]){word}s?([._-]|$)",
                f"{word}.*{_word(rng)}",
                f"{word[:4]}[._-]?{word[4:]}{number}",
            )
        )


def _word(rng: random.Random) -> str:
    return "".join(rng.choices(_SYLLABLES, k=3))


def _run(part: str, folder: Path) -> str:
    command = [sys.executable, "-m", "tests.bench.screening", part, str(folder)]
    return subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout


async def _desk(folder: Path) -> dict[str, float]:
    """The process that is measured."""
    bans = BanFiles(folder)
    start = time.perf_counter()
    bans.load()
    figures = {"load": time.perf_counter() - start, "resident": _resident()}

    rng = random.Random(2)
    took = []
    for number in range(APPLICANTS):
        application = Application(
            f"{_word(rng)}.{_word(rng)}{number}",
            f"{_word(rng)}+{number}@mail.{_word(rng)}.example",
            IPv4Address(rng.getrandbits(32)) if number % 2 else IPv6Address(rng.getrandbits(128)),
        )
        start = time.perf_counter()
        screen(
            application,
            server_name="example.org",
            book=bans.book,
            opening=Opening(True),
            now=datetime.now(UTC),
        )
        took.append((time.perf_counter() - start) * 1000)
    figures |= {"median": median(took), "p99": quantiles(took, n=100)[-1]}

    command = (sys.executable, "-m", "tests.bench.screening", "neighbour", str(folder))
    neighbour = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    assert neighbour.stdout is not None
    await neighbour.stdout.readline()  # it has read the lists and watches them
    adding = []
    for number in range(ADDED):
        start = time.perf_counter()
        await bans.add([Ban(Kind.IP, f"{_NEW}{number}", at=datetime.now(UTC), reason="bench")])
        adding.append((time.perf_counter() - start) * 1000)
    added = time.time()
    noticed = float(await neighbour.stdout.readline())
    await neighbour.wait()
    figures |= {"add": median(adding), "add_slowest": max(adding), "noticed": noticed - added}
    return figures | {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


async def _neighbour(folder: Path) -> None:
    """Another process: says when it watches, and when the last ban came into force there."""
    bans = BanFiles(folder)
    bans.load()
    watching = asyncio.create_task(bans.watch(_heard))
    print("watching", flush=True)
    last = IPv4Address(f"{_NEW}{ADDED - 1}")
    while not bans.book.networks(last, datetime.now(UTC)):
        await asyncio.sleep(0.005)
    print(time.time(), flush=True)
    watching.cancel()


async def _heard(faults: list[str]) -> None:
    raise AssertionError(f"a line of the lists cannot be read: {faults[0]}")


def _resident() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE") / (1 << 20)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["desk", folder]:
            print(json.dumps(asyncio.run(_desk(Path(folder)))))
        case ["neighbour", folder]:
            asyncio.run(_neighbour(Path(folder)))
        case _:
            for what, figure in measure():
                print(f"{what:<70}{figure:>12}")
