"""A part that falls gets up again, and nobody else notices."""

import asyncio
import itertools

import pytest

from gateway.settings.config import ConfigError
from gateway.supervision import supervise


async def test_a_part_that_falls_is_started_again_after_growing_pauses():
    loop = asyncio.get_running_loop()
    began: list[float] = []

    async def work() -> None:
        began.append(loop.time())
        if len(began) < 5:
            raise RuntimeError("fell")

    await supervise("part", work, first_pause=0.02)
    pauses = [after - before for before, after in itertools.pairwise(began)]
    assert len(pauses) == 4
    for pause, least in zip(pauses, (0.02, 0.04, 0.08, 0.16), strict=True):
        assert pause >= least


async def test_cancelling_ends_it_at_work_and_in_a_pause():
    async def works() -> None:
        await asyncio.Event().wait()

    async def falls() -> None:
        raise OSError("fell")

    for work in (works, falls):
        task = asyncio.create_task(supervise("part", work, first_pause=60))
        await asyncio.sleep(0.02)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_the_others_go_on():
    ticks = 0

    async def ticking() -> None:
        nonlocal ticks
        while ticks < 5:
            ticks += 1
            await asyncio.sleep(0.01)

    async def falling() -> None:
        raise ExceptionGroup("several", [ValueError("one"), KeyError("two")])

    async with asyncio.TaskGroup() as tasks:
        fallen = tasks.create_task(supervise("falling", falling, first_pause=0.001))
        await tasks.create_task(supervise("ticking", ticking, first_pause=0.001))
        assert ticks == 5
        assert not fallen.done()
        fallen.cancel()


async def test_work_that_is_done_is_not_repeated():
    runs = 0

    async def work() -> None:
        nonlocal runs
        runs += 1

    await supervise("part", work)
    assert runs == 1


async def test_no_pause_mends_a_configuration():
    async def work() -> None:
        raise ConfigError(["bot: missing"])

    with pytest.raises(ConfigError):
        await supervise("part", work)
