"""The plug pulled: `kill -9` at any moment, and what stands on the disk and in inboxes after it."""

import asyncio
import itertools
import random
from collections import Counter
from pathlib import Path

import aiohttp

from tests.journeys.conftest import House, OpenHouse, Post, token_of, until
from tests.torture.writer import pull_the_plug


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


async def test_ban_file_and_token_file_stay_whole(tmp_path: Path, seed: int) -> None:
    plugs = (
        pull_the_plug(tmp_path / str(number), 2, random.Random(seed + number))
        for number in range(4)
    )
    assert sum(await asyncio.gather(*plugs)) >= 2 * 4 * 3
