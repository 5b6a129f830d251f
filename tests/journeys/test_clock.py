"""A clock that leaps by a day over the night when Berlin changes its own, and a long sleep."""

import asyncio
import os
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from tests.journeys.conftest import House, OpenHouse, Post, token_of, until

DAY = 24 * 3600
IN_BERLIN = "import os, time; os.environ['TZ'] = 'Europe/Berlin'; time.tzset(); "
NIGHT = datetime(2027, 3, 28, 0, 30, tzinfo=UTC)  # 01:30 in Berlin; 03:00 follows 02:00


def rotations(house: House) -> int:
    return len(house.rows("SELECT 1 FROM audit WHERE action = 'rotate'"))


def last_end(house: House) -> datetime:
    ((end,),) = house.rows("SELECT max(withdraw_at) FROM tokens WHERE withdrawn_at IS NULL")
    return datetime.fromisoformat(end).replace(tzinfo=UTC)


async def test_leaps_of_a_day_rotate_once_each_and_neither_open_nor_jam_anything(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    limits = {"network": "2 per 1h"}
    house = await open_file_house(
        tokens={"rotation": "0 * * * *", "overlap": "20m"}, registration={"limits": limits}
    )
    porter = await house.serve(ahead=NIGHT.timestamp() - time.time(), first=IN_BERLIN)
    seen: list[str] = []

    async def stands(count: int) -> None:
        """So many rotations, a token in force that is new, and limits that hold."""
        await until(lambda: rotations(house) >= count)
        client = house.address()
        for status in (200, 200, 429):
            name = someone()
            reply = await house.ask(name, f"{name}@example.net", **{"X-Forwarded-For": client})
            assert reply.status == status
            if status == 200:
                token = token_of(await post.mail_to(f"{name}@example.net"))
                assert token == house.tokens_in_file[0]
                assert (token in seen) == (len(seen) == count)
                seen.extend({token} - {*seen})
        assert 1 <= int(reply.headers["Retry-After"]) <= 3600
        assert rotations(house) == len(seen) == count

    await stands(1)
    house.leap(DAY)  # over the hour that Berlin leaves out
    await stands(2)
    house.leap(-DAY)
    await stands(3)
    # No token that was followed by another has more than the overlap left.
    await until(lambda: last_end(house) < NIGHT + timedelta(minutes=30))
    # It sleeps, and wakes a day later.
    os.kill(porter.pid, signal.SIGSTOP)
    house.leap(DAY)
    os.kill(porter.pid, signal.SIGCONT)
    await stands(4)

    assert not house.rows("SELECT 1 FROM mails WHERE status = 'queued'")
    async with asyncio.timeout(10):
        assert await porter.stop() == 0
    assert "Traceback" not in porter.said
