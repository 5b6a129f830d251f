"""Alerts in a real room: one message for a cause, edited while it lasts."""

import asyncio
from typing import Any

import pytest

from bot.room.alerts import MOST_A_MINUTE, AlertRelay, RoomAlert


@pytest.mark.parametrize("encrypted", [False, True])
async def test_one_message_that_grows(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    monkeypatch.setattr(AlertRelay.__init__, "__kwdefaults__", {"edit_pause": 0.0})
    await house.start(house.room(bot, room, book))
    book.alerts.append(RoomAlert(1, "Burst of 10", "Burst of <b>10</b>", None, 10))

    def notices() -> list[dict[str, Any]]:
        return [each for each in mod.contents() if each["msgtype"] == "m.notice"]

    await mod.until(lambda: notices() and not book.alerts)
    assert notices()[0]["body"] == "Burst of 10"
    assert notices()[0]["formatted_body"] == "Burst of <b>10</b>"
    assert notices()[0]["m.mentions"] == {}
    book.alerts.append(RoomAlert(1, "Burst of 25", "Burst of <b>25</b>", book.shown_as, 25))
    await mod.until(lambda: len(notices()) == 2 and not book.alerts)
    edit = notices()[1]
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": book.shown_as}
    assert edit["m.new_content"]["body"] == "Burst of 25"


class Wall:
    """Stands for the room where only the pace matters."""

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.edits: list[str] = []

    async def notice(self, plain: str, html: str, once: str) -> str:
        self.posts.append(once)
        return f"${len(self.posts)}"

    async def edit(self, event_id: str, plain: str, html: str) -> None:
        self.edits.append(plain)


async def test_a_flood_waits_in_the_feed(book: Any) -> None:
    book.alerts = [RoomAlert(n, f"cause {n}", f"cause {n}", None, 1) for n in range(100)]
    wall: Any = Wall()
    relay = AlertRelay(book)
    await relay.relay(wall)
    await relay.relay(wall)
    assert len(set(wall.posts)) == len(wall.posts) == MOST_A_MINUTE
    assert len(book.alerts) == 100 - MOST_A_MINUTE


async def test_edits_of_one_message_keep_a_pause(book: Any) -> None:
    wall: Any = Wall()
    relay = AlertRelay(book, edit_pause=0.2)
    for count in (1, 2, 3):
        book.alerts = [RoomAlert(1, f"×{count}", "", "$1" if count > 1 else None, count)]
        await relay.relay(wall)
    assert wall.edits == []
    await asyncio.sleep(0.25)
    await relay.relay(wall)
    assert wall.edits == ["×3"]


async def test_a_feed_that_fails_is_asked_again(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.room.alerts._REST", 0.01)
    monkeypatch.setattr("bot.room.alerts.EVERY", 0.01)
    book.alerts = [RoomAlert(1, "x", "x", None, 1)]
    give, faults = book.pending, iter([OSError("away"), OSError("away")])

    async def pending() -> list[RoomAlert]:
        for fault in faults:
            raise fault
        return list(await give())

    book.pending = pending
    wall: Any = Wall()
    ready = asyncio.Event()
    ready.set()
    task = asyncio.create_task(AlertRelay(book).run(wall, ready))
    async with asyncio.timeout(5):
        while book.alerts:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(wall.posts) == 1
