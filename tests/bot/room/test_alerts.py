"""Alerts in a real room: one message for a cause, edited while it lasts, with a thread below it."""

import asyncio
from typing import Any

import pytest

from bot.answers import Answer, code
from bot.room.alerts import MOST_A_MINUTE, AlertRelay, RoomAlert
from bot.room.session import Refused

BAN = "ban ip 203.0.113.0/24 --for 1d"


def alert(number: int, version: int = 1, **more: Any) -> RoomAlert:
    message = more.pop("message", Answer((f"cause {number}, version {version}",)))
    return RoomAlert(number, version, "2026-11-24", message, **more)


def burst(count: int, *lines: str, **more: Any) -> RoomAlert:
    message = Answer((("Burst of ", code(count)),), offers=(("🚫", BAN), ("🔇", "mute 1")))
    return alert(1, count, message=message, details=Answer(("Some of them", *lines)), **more)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_one_message_that_grows_above_its_thread(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    monkeypatch.setattr(AlertRelay.__init__, "__kwdefaults__", {"edit_pause": 0.0})
    await house.start(house.room(bot, room, book))
    book.alerts.append(burst(10, "ann"))

    def notices() -> list[dict[str, Any]]:
        return [each for each in mod.contents() if each["msgtype"] == "m.notice"]

    await mod.until(lambda: len(notices()) == 2 and not book.alerts)
    message, details = notices()
    event_id, details_event_id = book.shown_as
    assert message["body"].startswith("Burst of 10")
    assert message["formatted_body"].startswith("Burst of <code>10</code>")
    assert message["m.mentions"] == {}
    assert details["body"] == "Some of them\nann"
    assert details["m.relates_to"]["rel_type"] == "m.thread"
    assert details["m.relates_to"]["event_id"] == event_id
    await mod.until(lambda: len(mod.reactions_to(event_id)) == 2)
    assert sorted(mod.reactions_to(event_id)) == ["🔇", "🚫"]
    assert book.offers[event_id] == {"🚫": BAN, "🔇": "mute 1"}

    shown = {"is_new": False, "event_id": event_id, "details_event_id": details_event_id}
    book.alerts.append(burst(25, "ann", "bob", **shown))
    await mod.until(lambda: len(notices()) == 4 and not book.alerts)
    edit, details = notices()[2:]
    assert edit["m.relates_to"] == {"rel_type": "m.replace", "event_id": event_id}
    assert edit["m.new_content"]["body"].startswith("Burst of 25")
    assert details["m.relates_to"] == {"rel_type": "m.replace", "event_id": details_event_id}
    assert details["m.new_content"]["body"] == "Some of them\nann\nbob"
    assert book.shown_as == (event_id, details_event_id)
    assert len(mod.reactions_to(event_id)) == 2


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_moderators_reaction_to_an_alert_runs_its_command(
    house: Any, book: Any, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    await house.start(house.room(bot, room, book))
    book.alerts.append(burst(10))
    await mod.until(lambda: mod.reactions_to(getattr(book, "shown_as", [""])[0]))
    event_id, _ = book.shown_as
    await mod.react(room, event_id, "🚫")
    await mod.until(lambda: book.texts)
    assert book.texts == [BAN]


async def test_what_a_crash_made_the_bot_send_twice_is_one_message(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    task = await house.start(house.room(bot, room, book))
    kept = book.shown

    async def crash(*told: Any) -> None:
        raise RuntimeError("the plug was pulled")

    book.shown = crash
    book.alerts.append(burst(10))
    await mod.until(lambda: len(mod.contents("m.reaction")) == 2)
    await house.stop(task)
    book.shown = kept
    await house.start(house.room(bot, room, book))
    async with asyncio.timeout(20):
        while book.alerts:
            await asyncio.sleep(0.05)
    await mod.say(room, "seen all?")
    await mod.until(lambda: "seen all?" in [each["body"] for each in mod.contents()])
    assert len(mod.contents()) == 3 and len(mod.contents("m.reaction")) == 2


async def test_a_redacted_message_or_another_room_does_not_jam_the_feed(
    house: Any, book: Any
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    await house.start(house.room(bot, room, book))
    book.alerts.append(alert(1))
    await mod.until(lambda: mod.contents() and not book.alerts)
    event_id, _ = book.shown_as
    await mod.client.room_redact(room, event_id)
    elsewhere = {"is_new": False, "event_id": "$of-another-room", "details_event_id": "$x"}
    book.alerts += [
        alert(1, 2, is_new=False, event_id=event_id, is_over=True),
        alert(2, 2, details=Answer(("more",)), is_over=True, **elsewhere),
        alert(3, 2, details=Answer(("more",)), **elsewhere),
        alert(4),
    ]
    await mod.until(lambda: not book.alerts)
    await mod.until(lambda: "cause 4, version 1" in [each["body"] for each in mod.contents()])
    # What goes on is told in the room that there is now.
    assert "cause 3, version 2" in [each["body"] for each in mod.contents()]


class Wall:
    """Stands for the room where only the pace matters."""

    room_id = "!room"

    def __init__(self) -> None:
        self.posts: list[str] = []
        self.edits: list[str] = []
        self.reactions = 0
        self.refuses = ""

    async def notice(self, plain: str, html: str, once: str, thread: str | None = None) -> str:
        if self.refuses and self.refuses in plain:
            raise Refused("M_TOO_LARGE", "no")
        self.posts.append(once)
        return f"${len(self.posts)}"

    async def edit(self, event_id: str, plain: str, html: str) -> None:
        self.edits.append(plain)

    async def offer(self, event_id: str, keys: list[str]) -> None:
        self.reactions += len(keys)


async def test_a_flood_waits_in_the_feed(book: Any) -> None:
    book.alerts = [alert(n) for n in range(100)]
    wall: Any = Wall()
    relay = AlertRelay(book)
    await relay.relay(wall)
    await relay.relay(wall)
    assert len(set(wall.posts)) == len(wall.posts) == MOST_A_MINUTE
    assert len(book.alerts) == 100 - MOST_A_MINUTE


async def test_one_that_is_refused_holds_up_no_other(book: Any) -> None:
    book.alerts = [alert(1), alert(2)]
    wall: Any = Wall()
    wall.refuses = "cause 1"
    relay = AlertRelay(book)
    await relay.relay(wall)
    await relay.relay(wall)
    assert [each.id for each in book.alerts] == [1] and len(wall.posts) == 1


async def test_edits_of_one_message_keep_a_pause_that_grows(book: Any) -> None:
    wall: Any = Wall()
    relay = AlertRelay(book, edit_pause=0.1)

    async def relay_one(version: int, **more: Any) -> None:
        book.alerts = [
            alert(1, version, is_new=version == 1, event_id="$1" if version > 1 else None, **more)
        ]
        await relay.relay(wall)

    for version in (1, 2, 3):
        await relay_one(version)
    assert wall.edits == []
    await asyncio.sleep(0.12)
    await relay.relay(wall)
    assert wall.edits == ["cause 1, version 3"]
    await asyncio.sleep(0.12)
    await relay_one(4)
    assert len(wall.edits) == 1
    # The end is told at once.
    await relay_one(5, is_over=True)
    assert wall.edits[1:] == ["cause 1, version 5"]


async def test_a_feed_that_fails_is_asked_again(book: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.room.alerts._REST", 0.01)
    monkeypatch.setattr("bot.room.alerts.EVERY", 0.01)
    book.alerts = [alert(1)]
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
