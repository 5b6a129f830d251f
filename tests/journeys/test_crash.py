"""The plug pulled: `kill -9` at any moment, and what stands on the disk and in inboxes after it."""

import asyncio
import random
from pathlib import Path

from tests.journeys.conftest import OpenHouse, Post, token_of, until
from tests.torture.kills import Torture
from tests.torture.writer import pull_the_plug


async def test_what_was_promised_is_kept(open_file_house: OpenHouse, post: Post, seed: int) -> None:
    house = await open_file_house(tokens={"mode": "per_applicant"})
    await Torture(house, post, seed).run(("answer", "mail"), commands=False)


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
