"""The plug pulled: `kill -9` at any moment, and what stands on the disk and in inboxes after it."""

import asyncio
import itertools
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path

import aiohttp

from gateway.rules.bans import Kind, parse_line
from tests.journeys.conftest import LIMIT, ROOT, House, OpenHouse, Post, token_of, until

# Bans and tokens without end; a number is said when both are written and promised.
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


class Crowd:
    """Applicants who go on asking, and remember who was told that a mail will come."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._numbers = itertools.count()
        self.asked: set[str] = set()
        self.promised: set[str] = set()

    async def ask(self) -> None:
        """Ask until the desk is gone."""
        while True:
            name = f"crowd-{next(self._numbers)}"
            email = f"{name}@example.net"
            self.asked.add(email)
            try:
                reply = await self._house.ask(name, email)
            except aiohttp.ClientError:
                return
            if reply.status == 200:
                self.promised.add(email)


async def test_what_was_promised_is_mailed_once_or_twice(
    open_file_house: OpenHouse, post: Post
) -> None:
    post.pause = 0.1
    house = await open_file_house()
    gateway = await house.serve()
    crowd = Crowd(house)
    asking = [asyncio.create_task(crowd.ask()) for _ in range(8)]
    await until(lambda: len(post.mails) >= 8 and post.under_way)
    await gateway.kill()
    await asyncio.gather(*asking)
    assert len(crowd.promised) > len(post.mails)

    post.pause = 0.0
    await house.serve()
    await house.until_nothing_is_owed()
    mails = Counter(str(mail["To"]) for mail in post.mails)
    recorded = {email for (email,) in house.rows("SELECT email FROM registrations")}
    assert crowd.promised <= mails.keys() <= recorded <= crowd.asked
    assert max(mails.values()) <= 2
    repeated = [post.to(email) for email, count in mails.items() if count == 2]
    assert len(repeated) <= 4, "more than there are connections"
    for first, second in repeated:
        assert first["Message-ID"] == second["Message-ID"]
    (token,) = house.tokens_in_file
    assert {token_of(mail) for mail in post.mails} == {token}


async def test_a_desk_killed_while_it_starts_starts_again(
    open_file_house: OpenHouse, post: Post
) -> None:
    house = await open_file_house()
    for number in range(4):
        gateway = await house.start("gateway")
        # From the first trace of the database on, a little later each time.
        await until(house.database.exists)
        await asyncio.sleep(number * 0.03)
        await gateway.kill()
    await house.serve()
    assert (await house.ask("ann", "ann@example.net")).status == 200
    mail = await post.mail_to("ann@example.net")
    assert house.tokens_in_file == [token_of(mail)]


async def test_ban_file_and_token_file_stay_whole(tmp_path: Path) -> None:
    await asyncio.gather(*(pull_the_plug(tmp_path / str(number)) for number in range(4)))


async def pull_the_plug(folder: Path) -> None:
    folder.mkdir()
    for _ in range(2):
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
                for _ in range(random.randrange(3, 12)):
                    promised = int(await writer.stdout.readline())
                await asyncio.sleep(random.uniform(0, 0.01))
        finally:
            os.kill(writer.pid, signal.SIGKILL)
            rest, _ = await writer.communicate()
        promised = max([promised, *map(int, rest.split())])

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
