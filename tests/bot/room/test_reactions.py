"""A reaction to an answer is the command that was offered there."""

import asyncio
from typing import Any

import pytest

from bot.answers import Answer


def offering(book: Any) -> None:
    """Let a command ask first, and offer two others."""

    async def act(command: Any) -> Answer:
        if command.text != "ban 10.0.0.0/8":
            return Answer((f"Heard {command.text}",))
        offers = (("✅", "confirm 1"), ("❌", "cancel 1"))
        return Answer(("Shall I?",), ok=False, asks=True, offers=offers)

    book.act = act


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_click_is_a_command(house: Any, book: Any, encrypted: bool) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    offering(book)
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter ban 10.0.0.0/8")
    question = await mod.event_answering(asked)
    await mod.until(lambda: mod.reactions_to(question) == ["✅", "❌"])
    assert await mod.until(lambda: mod.reactions_to(asked)) == ["❓"]
    clicked = await mod.react(room, question, "✅\ufe0f")
    answer = await mod.answer_to(question)
    assert answer["body"] == "Heard confirm 1"
    assert answer["m.relates_to"] == {"m.in_reply_to": {"event_id": question}}
    given = book.commands[-1]
    assert (given.text, given.sender, given.event_id) == ("confirm 1", mod.user, clicked)


async def test_the_answer_to_a_click_stays_in_the_thread(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    offering(book)
    await house.start(house.room(bot, room, book))
    root = await mod.say(room, "This one?")
    relation = {"rel_type": "m.thread", "event_id": root}
    asked = await mod.say(room, "!porter ban 10.0.0.0/8", **{"m.relates_to": relation})
    question = await mod.event_answering(asked)
    await mod.react(room, question, "❌")
    answer = await mod.answer_to(question)
    assert answer["body"] == "Heard cancel 1"
    assert answer["m.relates_to"]["rel_type"] == "m.thread"
    assert answer["m.relates_to"]["event_id"] == root


async def test_a_click_on_what_is_offered_no_more_is_told_so(house: Any, book: Any) -> None:
    bot, mod, guest = await house.bot_user(), await house.person("mod"), await house.person("guest")
    room = await mod.open_room(bot, guest.user)
    await guest.join(room)
    offering(book)
    await house.start(house.room(bot, room, book))
    question = await mod.event_answering(await mod.say(room, "!porter ban 10.0.0.0/8"))
    await book.rest()
    book.offers[question]["✅"] = ""
    await guest.react(room, question, "✅")
    await mod.react(room, question, "✅")
    answer = await mod.answer_to(question)
    assert answer["body"] == "Nothing done: this is over, or was offered in another way."
    await mod.ask(room, "!porter end")
    assert len(mod.answers_to(question)) == 1
    assert book.texts == ["ban 10.0.0.0/8", "end"]


async def test_two_moderators_click_at_once_and_both_are_answered(house: Any, book: Any) -> None:
    bot, mod, other = await house.bot_user(), await house.person("mod"), await house.person("other")
    room = await mod.open_room(bot, other.user, version="12", additional_creators=[other.user])
    await other.join(room)
    offering(book)
    await house.start(house.room(bot, room, book))
    question = await mod.event_answering(await mod.say(room, "!porter ban 10.0.0.0/8"))
    clicks = await asyncio.gather(
        mod.react(room, question, "✅"), other.react(room, question, "❌")
    )
    await mod.until(lambda: len(mod.answers_to(question)) == 2)
    assert {each.event_id for each in book.commands[1:]} == set(clicks)


async def test_who_lost_his_power_clicks_in_vain(house: Any, book: Any) -> None:
    bot, mod, former = await house.bot_user(), await house.person("mod"), await house.person("ex")
    room = await mod.open_room(bot, former.user, version="10")
    await former.join(room)
    levels = (await mod.client.room_get_state_event(room, "m.room.power_levels")).content
    levels["users"][former.user] = 50
    await mod.client.room_put_state(room, "m.room.power_levels", levels)
    offering(book)
    await house.start(house.room(bot, room, book))
    question = await former.event_answering(await former.say(room, "!porter ban 10.0.0.0/8"))
    levels["users"][former.user] = 49
    await mod.client.room_put_state(room, "m.room.power_levels", levels)
    await former.react(room, question, "✅")
    await mod.ask(room, "!porter end")
    assert book.texts == ["ban 10.0.0.0/8", "end"]


async def test_other_reactions_have_no_effect(house: Any, book: Any) -> None:
    bot, mod, guest = await house.bot_user(), await house.person("mod"), await house.person("guest")
    room = await mod.open_room(bot, guest.user)
    await guest.join(room)
    offering(book)
    running = await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter ban 10.0.0.0/8")
    question = await mod.event_answering(asked)
    await mod.react(room, question, "🎉")
    await mod.react(room, asked, "✅")
    await guest.react(room, question, "✅")
    await mod.ask(room, "!porter still open")
    assert mod.answers_to(question) == []  # and who may not command hears nothing of it
    # One that was taken back, and one that is as old as the last run.
    await book.rest()
    await house.stop(running)
    taken_back = await mod.react(room, question, "✅")
    await mod.client.room_redact(room, taken_back)
    await mod.react(room, question, "❌")
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter end")
    assert book.texts == ["ban 10.0.0.0/8", "still open", "cancel 1", "end"]
