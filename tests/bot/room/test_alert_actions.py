"""A click below an alert does what stands beside it, and is answered."""

import asyncio
from typing import Any

import pytest

from bot.feed import DeskAlerts
from bot.ledger import DeskLedger
from gateway.desk import Desk
from gateway.rules.bans import Kind
from gateway.store import mutes
from tests.gateway.conftest import until


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_click_bans_the_network_and_another_mutes_the_alert(
    house: Any, book: Any, desk: Desk, clock: Any, apply: Any, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    desk_side = {"ledger": DeskLedger(desk), "alerts": DeskAlerts(desk)}
    await house.start(house.room(bot, room, book, **desk_side))
    for number in range(10):
        assert await apply("!", f"a{number}@n{number}.example", f"203.0.113.{number}")
    await desk.burst_watch.tell()

    def message() -> Any:
        return next((id for id, e in mod.events.items() if "Burst" in getattr(e, "body", "")), None)

    event_id = await mod.until(message)
    await mod.until(lambda: len(mod.reactions_to(event_id)) == 3)
    assert sorted(mod.reactions_to(event_id)) == ["⏸️", "🔇", "🚫"]
    await mod.react(room, event_id, "🚫")
    async with asyncio.timeout(20):
        while not desk.bans.book.holds(Kind.IP, "203.0.113.0/24"):
            await mod.sync(100)
    await mod.react(room, event_id, "🔇")

    async def muted() -> bool:
        found = await desk.database.read(lambda c: mutes.in_force(c, clock()))
        return [each.cause for each in found] == ["burst network 203.0.113.0/24"]

    await until(muted, 20)

    def answers() -> str:
        return " ".join(each["body"] for each in mod.answers_to(event_id))

    await mod.until(lambda: "Muted burst network" in answers())
    assert "Banned ip 203.0.113.0/24" in answers()
