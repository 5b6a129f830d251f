"""A flood of refused requests is a handful of messages, and stays one for the hours after it."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest

from bot.feed import DeskAlerts
from bot.room.alerts import AlertRelay
from gateway.desk import Desk
from gateway.rules.bans import Ban, Kind
from gateway.rules.screening import Application
from tests.gateway.conftest import until

REQUESTS, NETWORKS, DOMAINS, PATTERNS = 10_000, 500, 400, 100
MOST = 10  # messages, those in threads too

Pour = Callable[[int], Awaitable[None]]


class Wall:
    """A room that counts what it is given, and allows no edit of what is not there."""

    def __init__(self) -> None:
        self.messages: dict[str, str] = {}
        self.sent: set[str] = set()
        self.threads = 0

    async def notice(self, plain: str, html: str, once: str, thread: str | None = None) -> str:
        assert once not in self.sent
        self.sent.add(once)
        if thread is not None:
            assert thread in self.messages
            self.threads += 1
        event_id = f"${len(self.messages)}"
        self.messages[event_id] = plain
        return event_id

    async def edit(self, event_id: str, plain: str, html: str) -> None:
        assert event_id in self.messages
        self.messages[event_id] = plain

    async def offer(self, event_id: str, keys: list[str]) -> None:
        assert event_id in self.messages


@pytest.fixture
async def pour(desk: Desk) -> Pour:
    """Sends so many requests from everywhere, all of them refused."""
    await desk.bans.add([Ban(Kind.NAME, f"^p{n}-") for n in range(PATTERNS)])

    async def send(number: int) -> None:
        network = number % NETWORKS
        name, domain = f"p{number % PATTERNS}-{number}", f"d{number % DOMAINS}.example"
        ip = ip_address(f"10.{network >> 8}.{network & 255}.{number % 250}")
        verdict = await desk.apply(Application(name, f"a{number}@{domain}", ip))
        assert verdict.refusals

    async def pour(count: int) -> None:
        for first in range(0, count, 500):
            await asyncio.gather(*(send(number) for number in range(first, first + 500)))

    return pour


async def test_ten_thousand_refusals_are_ten_messages_and_no_more_follow(
    desk: Desk, clock: Any, pour: Pour, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The bound is not that of the relay's pace.
    monkeypatch.setattr("bot.room.alerts.MOST_A_MINUTE", 10**6)
    monkeypatch.setattr("bot.room.alerts.EVERY", 0.01)
    monkeypatch.setattr("gateway.stories.burst_watch.EVERY", 0.05)
    wall: Any = Wall()
    relay = AlertRelay(DeskAlerts(desk), edit_pause=0.0)
    ready = asyncio.Event()
    ready.set()
    running = [
        asyncio.create_task(relay.run(wall, ready)),
        asyncio.create_task(desk.burst_watch.run()),
    ]
    await pour(REQUESTS)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)

    async def settle() -> None:
        await desk.burst_watch.tell()
        await desk.vigil.look()
        await relay.relay(wall)

    await settle()
    assert len(wall.messages) == MOST and wall.threads == MOST // 2
    whole = next(each for each in wall.messages.values() if "in all" in each)
    assert f"×{REQUESTS} since" in whole
    elsewhere = next(each for each in wall.messages.values() if "Bursts elsewhere" in each)
    assert "pause --for 1h" in elsewhere
    # It goes on for an hour, and then there is silence.
    for minute in range(120):
        clock.turn(timedelta(minutes=1))
        if minute < 60 and minute % 5 == 0:
            await pour(500)
        await settle()
    assert len(wall.messages) == MOST
    first_lines = [each.split("\n")[0] for each in wall.messages.values()]
    assert sum(each.startswith("Over: ") for each in first_lines) == MOST // 2


async def test_a_flood_in_a_real_room(
    house: Any, book: Any, desk: Desk, pour: Pour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.room.alerts.MOST_A_MINUTE", 10**6)
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    await house.start(house.room(bot, room, book, alerts=DeskAlerts(desk)))
    running = asyncio.create_task(desk.burst_watch.run())
    pouring = asyncio.create_task(pour(REQUESTS))

    def messages() -> list[str]:
        relations = ((each, each.get("m.relates_to", {})) for each in mod.contents())
        return [each["body"] for each, to in relations if to.get("rel_type") != "m.replace"]

    async def whole() -> bool:
        return not await DeskAlerts(desk).pending()

    await mod.until(lambda: pouring.done() and len(messages()) >= MOST, 60)
    running.cancel()
    await pouring
    await desk.burst_watch.tell()
    await until(whole, 30)
    await mod.sync(1000)
    assert len(messages()) == MOST
    assert any("Burst of refused requests in all" in each for each in messages())
    assert sum("⏸️ pause --for 1h" in each for each in messages()) == MOST // 2
