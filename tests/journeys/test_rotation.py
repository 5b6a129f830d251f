"""A shared token that rotates each hour, kept by two gateways on one state folder."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from bot.demo.ports import free_port
from tests.journeys.conftest import LIMIT, House, OpenHouse, Porter, Post, Reply, token_of, until


class Watch:
    """Reads the token file without a pause, as a homeserver would, and remembers what it saw."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.seen: list[list[str]] = []
        self.looks = 0
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        there = False
        while True:
            try:
                text = self.file.read_text()
            except FileNotFoundError:
                assert not there, "the file was gone for a moment"
            else:
                there = True
                assert text.endswith("\n"), "half a file"
                assert text.strip(), "an empty file opens the door to everybody"
                if not self.seen or self.seen[-1] != text.split():
                    self.seen.append(text.split())
            self.looks += 1
            await asyncio.sleep(0.001)

    async def end(self) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task


async def pair(house: House, ahead: float) -> tuple[list[str], list[Porter]]:
    """Two gateways, started at the same moment; the addresses of their pages."""
    port = free_port()
    both = await asyncio.gather(
        house.serve(ahead=ahead), house.serve(ahead=ahead, config={"web": {"port": port}})
    )
    return [house.url, f"http://127.0.0.1:{port}"], both


def seconds_until(minute: float) -> float:
    """How far a clock must be ahead to show this minute of an hour now."""
    return (minute * 60 - time.time()) % 3600


def rotations(house: House) -> list[Any]:
    return house.rows("SELECT subject, after FROM audit WHERE action = 'rotate' ORDER BY id")


async def test_two_gateways_keep_one_schedule(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    # A clock stands far from every change until it is put forward, so a slow start misses none.
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(
            closes_before_the_rotation_and_opens_after_it(open_file_house, post, someone)
        )
        tasks.create_task(lets_the_old_token_live_on(open_file_house, post, someone))


async def closes_before_the_rotation_and_opens_after_it(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house(tokens={"rotation": "0 * * * *", "downtime": "20m"})
    watch = Watch(house.folder / "token" / "file")
    urls, both = await pair(house, seconds_until(10))
    name = someone()
    assert [(await house.look(url=url)).status for url in urls] == [200, 200]
    assert (await house.ask(name, f"{name}@example.net", url=urls[1])).status == 200
    first = token_of(await post.mail_to(f"{name}@example.net"))
    assert house.tokens_in_file == [first]

    async def ask(url: str) -> Reply:
        await asyncio.sleep(0.05)
        other = someone()
        return await house.ask(other, f"{other}@example.org", url=url)

    async with asyncio.timeout(2 * LIMIT):
        house.leap(35 * 60)  # to minute 45: closed since minute 40
        for url in urls:
            while (closed := await ask(url)).status == 200:
                pass
            assert closed.status == 503
            assert closed.codes == ["closed"]
            assert closed.json()["retry_after"] == int(closed.headers["Retry-After"])
            assert 1 <= int(closed.headers["Retry-After"]) <= 15 * 60
            page = await house.look(url=url)
            assert 'name="requested_username"' not in page.text
        assert house.tokens_in_file == [first], "closed only after the rotation"
        house.leap(15 * 60)  # both over the end of the hour
        for url in urls:
            while (opened := await ask(url)).status == 503:
                pass
            assert opened.status == 200
    name = someone()
    assert (await house.ask(name, f"{name}@example.net", url=urls[0])).status == 200
    second = token_of(await post.mail_to(f"{name}@example.net"))
    await until(lambda: len(watch.seen) == 2)
    await watch.end()
    assert watch.seen == [[first], [second]]
    assert watch.looks > 1000
    assert len(rotations(house)) == 2
    for porter in both:
        assert await porter.stop() == 0
        assert "Traceback" not in porter.said


async def lets_the_old_token_live_on(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house(tokens={"rotation": "0 * * * *", "overlap": "20m"})
    watch = Watch(house.folder / "token" / "file")
    urls, both = await pair(house, seconds_until(10))

    async def mailed(url: str) -> str:
        name = someone()
        assert (await house.ask(name, f"{name}@example.net", url=url)).status == 200
        return token_of(await post.mail_to(f"{name}@example.net"))

    first = await mailed(urls[0])
    house.leap(50 * 60)
    await until(lambda: len(watch.seen) == 2)
    assert await mailed(urls[1]) == watch.seen[1][0]
    house.leap(20 * 60)
    await until(lambda: len(watch.seen) == 3)
    await watch.end()
    second = watch.seen[1][0]
    assert watch.seen == [[first], [second, first], [second]]
    assert len(rotations(house)) == 2

    # Both sleep over a slot: one of them catches up, once.
    for porter in both:
        await porter.kill()
    urls, both = await pair(house, seconds_until(5) + 2 * 3600)
    await until(lambda: len(rotations(house)) == 3)
    third = await mailed(urls[0])
    assert house.tokens_in_file[0] == third
    assert third not in (first, second)
    assert len(rotations(house)) == 3
    for porter in both:
        assert await porter.stop() == 0
        assert "Traceback" not in porter.said
