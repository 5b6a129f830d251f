"""A room that was replaced is left for its successor when a moderator of both says so."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.feed import DeskAlerts
from bot.ledger import DeskLedger
from gateway.desk import Desk
from gateway.store import alerts


async def upgrade(person: Any, room: str, version: str = "12") -> str:
    """Replace a room as clients do; returns the new room's id."""
    headers = {"Authorization": f"Bearer {person.client.access_token}"}
    path = f"/_matrix/client/v3/rooms/{room}/upgrade"
    body = f'{{"new_version": "{version}"}}'
    async with await person.client.send("POST", path, body, headers) as answer:
        return str((await answer.json())["replacement_room"])


async def notice_with(person: Any, words: str) -> str:
    """The id of a notice that contains some words."""

    def find() -> str | None:
        for event_id, event in person.events.items():
            if words in event.source["content"].get("body", ""):
                return str(event_id)
        return None

    return str(await person.until(find))


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("by_click", [False, True])
async def test_the_bot_follows_when_a_moderator_of_both_rooms_says_so(
    house: Any, book: Any, encrypted: bool, by_click: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    old = await mod.open_room(bot, version="10", encrypted=encrypted)
    running = await house.start(house.room(bot, old, book))
    await mod.ask(old, "!porter before")
    new = await upgrade(mod, old)
    await mod.client.room_invite(new, bot)
    question = await notice_with(mod, f"I serve {old}, which this room replaces")
    assert await mod.until(lambda: mod.reactions_to(question)) == ["✅"]
    unmoved = await mod.ask(new, "!porter too early")
    assert unmoved["body"].startswith(f"I still serve {old}")
    if by_click:
        await mod.react(new, question, "✅")
        answer = await mod.answer_to(question)
    else:
        answer = await mod.ask(new, "!porter follow")
    assert answer["body"] == f"From now on I serve {new}."
    await mod.ask(new, "!porter there")
    await mod.say(old, "!porter in the old room")
    await mod.ask(new, "!porter again")
    assert book.texts == ["before", "there", "again"]
    await book.rest()
    await house.stop(running)
    # The configuration still names the old room.
    await house.start(house.room(bot, old, book))
    await mod.ask(new, "!porter after a restart")
    assert book.texts[-1] == "after a restart"


@pytest.mark.parametrize("in_the_new_room", [False, True])
async def test_a_follow_that_came_late_moves_all_the_same(
    house: Any, book: Any, in_the_new_room: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    old = await mod.open_room(bot, version="11")
    running = await house.start(house.room(bot, old, book))
    new = await upgrade(mod, old)
    await mod.client.room_invite(new, bot)
    await notice_with(mod, f"I serve {old}")
    await book.rest()
    await house.stop(running)
    await mod.say(new if in_the_new_room else old, "!porter follow")
    tomorrow = {"clock": lambda: datetime.now(UTC) + timedelta(days=1)}
    await house.start(house.room(bot, old, book, **tomorrow), wait=False)
    async with asyncio.timeout(10):
        while book.rooms[-1] != new:
            await asyncio.sleep(0.05)
    assert book.held == [] and book.texts == []


async def test_what_waits_for_a_decision_goes_along_with_its_reactions(
    house: Any, book: Any, desk: Desk
) -> None:
    def review(connection: Any) -> None:
        actions = (("✅", "approve 1"), ("❌", "reject 1"))
        now, text = desk.clock(), "Please decide"
        alerts.raise_alert(connection, "review 1", text, now, quiet=None, actions=actions)

    bot, mod = await house.bot_user(), await house.person("mod")
    old = await mod.open_room(bot, version="11")
    desk_side = {"ledger": DeskLedger(desk), "alerts": DeskAlerts(desk), "clock": desk.clock}
    await house.start(house.room(bot, old, book, **desk_side))
    await desk.database.write(review)
    first = await notice_with(mod, "Please decide")
    await mod.until(lambda: len(mod.reactions_to(first)) == 2)
    new = await upgrade(mod, old)
    await mod.client.room_invite(new, bot)
    await notice_with(mod, f"I serve {old}")
    await mod.ask(new, "!porter follow")

    def anew() -> str | None:
        for event_id, event in mod.events.items():
            if "Please decide" in getattr(event, "body", "") and event_id != first:
                return str(event_id)
        return None

    second = await mod.until(anew)
    assert mod.events[second].source["content"].get("m.relates_to") is None
    await mod.until(lambda: sorted(mod.reactions_to(second)) == ["✅", "❌"])
    await mod.react(new, second, "❌")
    assert "1" in (await mod.answer_to(second))["body"]


async def test_power_in_one_room_alone_moves_nobody(house: Any, book: Any) -> None:
    bot, mod, other = await house.bot_user(), await house.person("mod"), await house.person("other")
    old = await mod.open_room(bot, version="11")
    await house.start(house.room(bot, old, book))
    new = await upgrade(mod, old)
    await mod.client.room_invite(new, bot)
    await notice_with(mod, f"I serve {old}")
    await mod.client.room_invite(new, other.user)
    await other.join(new)
    levels = (await mod.client.room_get_state_event(new, "m.room.power_levels")).content
    levels["users"][other.user] = 60
    await mod.client.room_put_state(new, "m.room.power_levels", levels)
    refused = await other.ask(new, "!porter follow")
    assert refused["body"] == f"You may not command in {old}: I stay."
    await mod.say(old, "!porter still here")  # where the bot may not speak any more
    await mod.until(lambda: book.texts)
    assert book.texts == ["still here"]


async def test_a_successor_that_does_not_know_the_room_is_refused(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    old = await mod.open_room(bot, version="10")
    trap = await mod.open_room(bot)
    await house.start(house.room(bot, old, book))
    tombstone = {"body": "moved", "replacement_room": trap}
    await mod.client.room_put_state(old, "m.room.tombstone", tombstone)
    await notice_with(mod, "does not name this room as its predecessor, so I do not follow")
    refused = await mod.ask(old, "!porter follow")
    assert "so I do not follow" in refused["body"]
    assert any("so I do not follow" in each for each in book.warnings)
    await mod.ask(old, "!porter still here")
    assert book.texts == ["still here"]


async def test_who_does_not_invite_the_bot_is_asked_to(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.room.timeline._WAIT", 300)
    bot, mod = await house.bot_user(), await house.person("mod")
    old = await mod.open_room(bot, version="10")
    levels = (await mod.client.room_get_state_event(old, "m.room.power_levels")).content
    levels["users"][bot] = 50  # who has less may not speak in a room that was replaced
    await mod.client.room_put_state(old, "m.room.power_levels", levels)
    await house.start(house.room(bot, old, book))
    new = await upgrade(mod, old)
    await notice_with(mod, "I am not let in there: please invite me.")
    await mod.client.room_invite(new, bot)
    await notice_with(mod, f"I serve {old}, which this room replaces")


async def test_an_alias_that_leads_elsewhere_later_is_not_followed(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    first, second = await mod.open_room(bot), await mod.open_room(bot)
    alias = f"#{first[1:9].lower().replace('_', 'a').replace('-', 'b')}:porter.localhost"
    await mod.client.room_put_alias(alias, first)
    await house.stop(await house.start(house.room(bot, alias, book)))
    await mod.client.room_delete_alias(alias)
    await mod.client.room_put_alias(alias, second)
    await house.start(house.room(bot, alias, book))
    async with asyncio.timeout(10):
        while not book.warnings:
            await asyncio.sleep(0.05)
    assert f"is another room than {first}, which is served" in book.warnings[-1]
    await mod.ask(first, "!porter here")
    assert book.texts == ["here"]
