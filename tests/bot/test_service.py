"""The desk's alerts on their way to the room, and parts that run and fall."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest

from bot.demo.ports import free_port
from bot.service import DeskAlerts, build_room, serve
from gateway.config import ConfigError, parse
from gateway.store import alerts
from tests.bot.conftest import CONFIG

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_an_alert_reaches_the_room_with_outside_values_set_apart(desk):
    text = "Burst of refused requests, pattern `<b>@room</b>\u202e`: name banned"
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst", text, NOW))
    feed = DeskAlerts(desk)
    (alert,) = await feed.pending()
    assert alert.text == "Burst of refused requests, pattern <b>@room</b>\\u202e: name banned"
    assert "<code>&lt;b&gt;@room&lt;/b&gt;\\u202e</code>" in alert.html
    await feed.shown(alert.id, "$message", alert.version)
    assert await feed.pending() == []


async def test_no_backquote_lets_a_value_out_of_its_place(desk):
    text = f"pattern {alerts.outside('`@room`')}: banned"
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst", text, NOW))
    (alert,) = await DeskAlerts(desk).pending()
    assert alert.html == "pattern <code>&#x27;@room&#x27;</code>: banned"


async def test_a_cause_that_grows_comes_back_with_its_count(desk):
    feed = DeskAlerts(desk)
    for _ in range(3):
        await desk.database.write(lambda c: alerts.raise_alert(c, "burst", "Burst", NOW))
    (alert,) = await feed.pending()
    assert alert.text == "Burst (×3 since 12:00 UTC)"
    await feed.shown(alert.id, "$message", alert.version)
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst", "Burst", NOW))
    (alert,) = await feed.pending()
    assert (alert.event_id, alert.text) == ("$message", "Burst (×4 since 12:00 UTC)")


async def test_a_desk_without_a_bot_has_no_room(desk):
    with pytest.raises(ConfigError, match="bot: missing"):
        build_room(desk)


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

    monkeypatch.setattr("bot.service.run_gateway", fall)
    task = asyncio.create_task(serve(parse(CONFIG, tmp_path, {}), gateway=True, bot=False))
    async with asyncio.timeout(10):
        await again.wait()
    assert not task.done()
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert falls == 2
