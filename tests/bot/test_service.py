"""Parts that run and fall."""

import asyncio
from contextlib import suppress

import pytest

from bot.demo.ports import free_port
from bot.service import run_bot, serve
from gateway.settings.config import ConfigError, parse
from tests.bot.conftest import CONFIG


async def test_a_desk_without_a_bot_has_no_room(desk):
    with pytest.raises(ConfigError, match="bot: missing"):
        await run_bot(desk)


async def test_a_taken_port_ends_the_service_with_a_sentence(tmp_path):
    port = free_port()
    taken = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", port)
    settings = parse(f"{CONFIG}\nweb: {{port: {port}}}\n", tmp_path, {})
    async with taken:
        with pytest.raises(ConfigError, match=r"web\.port: cannot listen on .*:" + str(port)):
            await serve(settings, gateway=True, bot=False)


async def test_a_part_that_falls_is_started_again_beside_the_others(tmp_path, monkeypatch):
    falls = 0
    again = asyncio.Event()

    async def fall(desk):
        nonlocal falls
        falls += 1
        if falls == 1:
            raise RuntimeError("the page fell")
        again.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("bot.service.run_background", fall)
    # The demo's own port is another test's.
    settings = parse(f"{CONFIG}\nweb: {{port: {free_port()}}}\n", tmp_path, {})
    task = asyncio.create_task(serve(settings, gateway=True, bot=False))
    async with asyncio.timeout(10):
        await again.wait()
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert falls == 2
