"""A process that writes bans and tokens without end, and the plug pulled on it."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path

from gateway.rules.bans import Kind, parse_line
from tests.journeys.conftest import LIMIT, ROOT

# A number is said when both are written and promised.
WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.homeserver.homeserver import Token
from gateway.homeserver.token_file import TokenFile
from gateway.rules.bans import Kind, parse_line
from gateway.store.ban_files import BanFiles

async def main():
    folder = Path(sys.argv[1])
    bans, tokens = BanFiles(folder), TokenFile(folder / "token")
    bans.load()
    for number in range(1000000):
        await bans.add([parse_line(Kind.EMAIL, f"@spam-{number}.example")])
        if number % 7 == 6:
            await bans.remove([parse_line(Kind.EMAIL, f"@spam-{number - 3}.example")])
        await tokens.issue(Token(f"token{number}"), instead_of=[f"token{number - 1}"])
        print(number, flush=True)

asyncio.run(main())
"""


async def pull_the_plug(folder: Path, times: int, rng: random.Random) -> int:
    """Kill the writer so often, each time on fresh files; how many bans and tokens it promised."""
    folder.mkdir()
    written = 0
    for _ in range(times):
        promised = -1
        (folder / "emails.txt").write_text("# by hand\n")
        (folder / "token").unlink(missing_ok=True)
        writer = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", WRITER, str(folder)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert writer.stdout is not None
        try:
            async with asyncio.timeout(LIMIT):
                for _ in range(rng.randrange(3, 12)):
                    promised = int(await writer.stdout.readline())
                await asyncio.sleep(rng.uniform(0, 0.01))
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            rest, _ = await writer.communicate()
        promised = max([promised, *map(int, rest.split())])
        _assert_whole(folder, promised)
        written += promised + 1
    return written


def _assert_whole(folder: Path, promised: int) -> None:
    head, *lines = (folder / "emails.txt").read_text().splitlines()
    assert head == "# by hand"
    bans = [parse_line(Kind.EMAIL, line) for line in lines]
    kept = {ban.value for ban in bans if ban is not None}
    assert len(kept) == len(lines)
    lifted = {number - 3 for number in range(6, promised + 1, 7)}
    being_lifted = promised + 1 - 3
    for number in {*range(promised + 1)} - {being_lifted}:
        assert (f"@spam-{number}.example" in kept) is (number not in lifted)
    tokens = (folder / "token").read_text().split()
    assert tokens in ([f"token{promised}"], [f"token{promised + 1}"])
