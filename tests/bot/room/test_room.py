"""The bot in a room of a real homeserver, as its moderators meet it."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.answers import Answer
from bot.room.files import Kept

KINDS = [(version, encrypted) for version in ("10", "11", "12") for encrypted in (False, True)]


@pytest.mark.parametrize(("version", "encrypted"), KINDS)
async def test_a_moderator_asks_and_is_answered(
    house: Any, book: Any, version: str, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, version=version, encrypted=encrypted)
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter status <b>now</b>")
    answer = await mod.answer_to(asked)
    assert book.texts == ["status <b>now</b>"]
    assert book.commands[0].sender == mod.user
    assert answer["msgtype"] == "m.notice"
    assert answer["body"] == "Heard status <b>now</b>"
    assert answer["formatted_body"] == "Heard <code>status &lt;b&gt;now&lt;/b&gt;</code>"
    assert answer["m.mentions"] == {}
    assert await mod.until(lambda: mod.reactions_to(asked)) == ["✅"]
    event = next(each for each in mod.events.values() if each.source["content"] is answer)
    assert event.decrypted is encrypted


@pytest.mark.parametrize("encrypted", [False, True])
async def test_only_a_plain_message_of_a_member_with_power_has_an_effect(
    house: Any, book: Any, encrypted: bool
) -> None:
    bot, mod, guest = await house.bot_user(), await house.person("mod"), await house.person("guest")
    room = await mod.open_room(bot, guest.user, encrypted=encrypted)
    await guest.join(room)
    await house.start(house.room(bot, room, book))
    await guest.say(room, "!porter guest")
    await mod.say(room, "!porter notice", msgtype="m.notice")
    first = await mod.say(room, "chatter")
    edit = {"msgtype": "m.text", "body": "!porter edited"}
    relation = {"rel_type": "m.replace", "event_id": first}
    await mod.say(room, "* !porter edited", **{"m.new_content": edit, "m.relates_to": relation})
    await mod.say(room, "I asked !porter something")
    await mod.ask(room, "!porter last")
    assert book.texts == ["last"]


async def test_what_only_looks_like_a_command_has_no_effect(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    other = await mod.open_room(bot)
    await house.start(house.room(bot, room, book))
    await mod.say(other, "!porter other room")
    first = await mod.say(room, "chatter")
    quoting = {"m.in_reply_to": {"event_id": first}}
    await mod.say(room, f"> <{mod.user}> !porter quoted\n\nno", **{"m.relates_to": quoting})
    key = {"rel_type": "m.annotation", "event_id": first, "key": "!porter reacted"}
    await mod.client.room_send(room, "m.reaction", {"m.relates_to": key})
    await mod.say(room, "!porter emote", msgtype="m.emote")
    await mod.say(room, "!porter file", msgtype="m.file", url="mxc://porter.localhost/x")
    topic = {"topic": "!porter topic", "body": "!porter topic", "msgtype": "m.text"}
    await mod.client.room_put_state(room, "m.room.topic", topic)
    await mod.ask(room, "!porter last")
    assert book.texts == ["last"]


@pytest.mark.parametrize("encrypted", [False, True])
async def test_what_is_said_as_soon_as_the_bot_is_in_is_heard(
    house: Any, book: Any, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    await mod.say(room, "!porter before you were here")
    serving = house.room(bot, room, book)
    await house.start(serving, wait=False)

    async def has_joined() -> bool:
        answer = await mod.client.joined_members(room)
        return bot in {member.user_id for member in answer.members}

    async with asyncio.timeout(20):
        while not await has_joined():
            await asyncio.sleep(0.01)
    assert not serving.ready.is_set()
    await mod.ask(room, "!porter first")
    assert book.texts == ["first"]


async def test_who_was_thrown_out_is_not_obeyed_any_more(house: Any, book: Any) -> None:
    bot, mod, traitor = await house.bot_user(), await house.person("mod"), await house.person("ex")
    room = await mod.open_room(bot, traitor.user, version="10")
    await traitor.join(room)
    levels = (await mod.client.room_get_state_event(room, "m.room.power_levels")).content
    levels["users"][traitor.user] = 50
    await mod.client.room_put_state(room, "m.room.power_levels", levels)
    running = await house.start(house.room(bot, room, book))
    await traitor.ask(room, "!porter trusted")
    await book.rest()
    await house.stop(running)
    await traitor.say(room, "!porter token rotate")
    taken_back = await mod.say(room, "!porter pause")
    await mod.client.room_redact(room, taken_back)
    await mod.client.room_ban(room, traitor.user)
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter end")
    assert book.texts == ["trusted", "end"]


async def test_an_additional_creator_commands_without_standing_in_the_levels(
    house: Any, book: Any
) -> None:
    bot, mod, maker = await house.bot_user(), await house.person("mod"), await house.person("maker")
    room = await mod.open_room(bot, maker.user, additional_creators=[maker.user])
    await maker.join(room)
    await house.start(house.room(bot, room, book))
    await maker.ask(room, "!porter made")
    assert book.texts == ["made"]


@pytest.mark.parametrize("version", ["10", "11", "12"])
async def test_members_command_by_the_default_level_until_it_is_lowered(
    house: Any, book: Any, version: str
) -> None:
    bot, mod, guest = await house.bot_user(), await house.person("mod"), await house.person("guest")
    room = await mod.open_room(bot, guest.user, version=version)
    await guest.join(room)
    levels = (await mod.client.room_get_state_event(room, "m.room.power_levels")).content
    await mod.client.room_put_state(room, "m.room.power_levels", levels | {"users_default": 50})
    await house.start(house.room(bot, room, book))
    await guest.ask(room, "!porter by default")
    await mod.client.room_put_state(room, "m.room.power_levels", levels | {"users_default": 0})
    await guest.say(room, "!porter too late")
    await mod.ask(room, "!porter end")
    assert book.texts == ["by default", "end"]


async def test_power_counts_at_the_moment_of_the_command(house: Any, book: Any) -> None:
    bot, mod, rising = await house.bot_user(), await house.person("mod"), await house.person("up")
    room = await mod.open_room(bot, rising.user, version="10")
    await rising.join(room)
    await house.start(house.room(bot, room, book))
    refusal = await rising.ask(room, "!porter early")
    assert "power level 50" in refusal["body"] and book.texts == []
    levels = (await mod.client.room_get_state_event(room, "m.room.power_levels")).content
    levels["users"][rising.user] = 50
    await mod.client.room_put_state(room, "m.room.power_levels", levels)
    await rising.ask(room, "!porter raised")
    levels["users"][rising.user] = 49
    await mod.client.room_put_state(room, "m.room.power_levels", levels)
    await rising.say(room, "!porter lowered")
    await mod.ask(room, "!porter end")
    assert book.texts == ["raised", "end"]


async def test_a_restart_repeats_nothing_and_misses_nothing(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    running = await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter first")
    await book.rest()
    await house.stop(running)
    last = ""
    for number in range(110):  # more than one sync carries
        last = await mod.say(room, f"!porter away {number}" if number % 10 == 0 else "chatter")
    last = await mod.say(room, "!porter away 110")
    await house.start(house.room(bot, room, book))
    await mod.answer_to(last)
    assert book.texts == ["first", *(f"away {number}" for number in range(0, 111, 10))]
    position = house.folder / "bot" / "position.json"
    assert position.stat().st_mode & 0o777 == 0o600


async def test_a_lost_position_replays_nothing(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    running = await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter before")
    await book.rest()
    await house.stop(running)
    await mod.say(room, "!porter between")
    (house.folder / "bot" / "position.json").unlink()
    book.known.clear()
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter after")
    assert book.texts == ["before", "after"]


async def test_what_was_said_before_the_bot_came_in_was_not_said_to_it(
    house: Any, book: Any
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room()
    waiting = house.room(bot, room, book)
    await house.start(waiting, wait=False)
    await mod.say(room, "!porter too early")
    await mod.client.room_invite(room, bot)
    await asyncio.wait_for(waiting.ready.wait(), 20)
    await mod.ask(room, "!porter now")
    assert book.texts == ["now"]


async def test_late_commands_are_asked_about(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    running = await house.start(house.room(bot, room, book))
    await house.stop(running)
    late = await mod.say(room, "!porter ban ip 192.0.2.1")
    await asyncio.sleep(1.1)
    await house.start(house.room(bot, room, book, command_age=timedelta(seconds=1)))
    answer = await mod.answer_to(late)
    assert answer["body"] == "Too late." and book.texts == []
    assert [each.text for each in book.held] == ["ban ip 192.0.2.1"]
    assert await mod.until(lambda: mod.reactions_to(late)) == ["❓"]


@pytest.mark.parametrize("was_carried_out", [False, True])
async def test_a_command_that_was_interrupted_is_taken_up_again(
    house: Any, book: Any, was_carried_out: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    reached = asyncio.Event()
    running = await house.start(house.room(bot, room, book))

    async def endless(*_: Any) -> Answer:
        reached.set()
        await asyncio.sleep(3600)
        raise AssertionError

    answered = book.answered
    if was_carried_out:
        book.answered = endless
    else:
        book.act = endless
    asked = await mod.say(room, "!porter token rotate")
    await asyncio.wait_for(reached.wait(), 10)
    await house.stop(running)
    book.act, book.answered = book.echo, answered
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter status")
    assert [each["body"] for each in mod.answers_to(asked)] == ["Heard token rotate"]
    assert book.begun[asked] == 2
    assert book.texts == ["token rotate", "token rotate", "status"]


async def test_a_slow_command_shows_an_hourglass_that_goes(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)

    async def slow(command: Any) -> Answer:
        await asyncio.sleep(1.5)
        return Answer(("Not possible.",), ok=False)

    book.act = slow
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter slow")
    answer = await mod.answer_to(asked)
    assert answer["body"] == "Not possible."
    assert await mod.until(lambda: "❌" in mod.reactions_to(asked))
    hourglass = next(
        event
        for event in mod.events.values()
        if event.source["content"].get("m.relates_to", {}).get("key") == "⏳"
    )
    redacted = {
        e.source.get("redacts") or e.source["content"].get("redacts")
        for e in mod.events.values()
        if e.source["type"] == "m.room.redaction"
    }
    assert redacted == {hourglass.event_id}


async def test_an_unexpected_fault_gives_a_reference(
    house: Any, book: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)

    async def broken(command: Any) -> Answer:
        raise ZeroDivisionError("secret detail")

    book.act = broken
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter status")
    answer = await mod.answer_to(asked)
    assert answer["body"].startswith("Something went wrong: reference ")
    assert "secret" not in str(answer)
    logged = capsys.readouterr().out
    assert answer["body"].split()[-1] in logged and "ZeroDivisionError" in logged
    assert await mod.until(lambda: mod.reactions_to(asked)) == ["❌"]


async def test_an_answer_stays_in_its_thread(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    await house.start(house.room(bot, room, book))
    root = await mod.say(room, "Let us look at this one.")
    relation = {"rel_type": "m.thread", "event_id": root}
    answer = await mod.ask(room, "!porter status", **{"m.relates_to": relation})
    assert answer["m.relates_to"]["rel_type"] == "m.thread"
    assert answer["m.relates_to"]["event_id"] == root


async def test_a_ledger_that_fails_holds_the_command_back_and_the_room_knows(
    house: Any, book: Any
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    begin, faults = book.begin, iter([OSError("disk full"), OSError("disk full")])

    async def failing(event_id: str) -> Any:
        for fault in faults:
            raise fault
        return await begin(event_id)

    book.begin = failing
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter held")
    answers = await mod.until(lambda: len(found := mod.answers_to(asked)) == 2 and found)
    assert "this command waits" in answers[0]["body"]
    assert answers[1]["body"] == "Heard held"
    assert book.texts == ["held"]


async def test_a_message_without_its_key_is_named_once(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.room.timeline._KEY_PATIENCE", 0.2)
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    await house.start(house.room(bot, room, book))
    locked = {
        "algorithm": "m.megolm.v1.aes-sha2",
        "ciphertext": "x",
        "sender_key": "k",
        "session_id": "s",
        "device_id": "d",
    }
    events = [await mod.client.room_send(room, "m.room.encrypted", locked) for _ in range(2)]
    await asyncio.sleep(0.4)
    await mod.ask(room, "!porter wake")
    answer = await mod.answer_to(events[0].event_id)
    assert "cannot read this message" in answer["body"]
    assert mod.answers_to(events[1].event_id) == []


async def test_a_key_that_comes_late_opens_the_command(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    porter = house.room(bot, room, book)
    await house.start(porter)
    await mod.until(lambda: list(mod.client.device_store.active_user_devices(bot)))
    (device,) = mod.client.device_store.active_user_devices(bot)
    mod.client.blacklist_device(device)  # so that the room's key is not sent to it
    early = await mod.say(room, "!porter early")
    await asyncio.sleep(0.5)
    assert book.texts == []
    own = mod.client.olm.account.identity_keys["curve25519"]
    session = mod.client.olm.outbound_group_sessions[room].id
    key = mod.client.olm.inbound_group_store.get(room, own, session)
    porter._session.client.olm.inbound_group_store.add(key)
    await mod.say(room, "chatter")
    await mod.until(lambda: mod.reactions_to(early))
    assert book.texts == ["early"]


async def test_a_state_folder_that_cannot_be_written_loses_and_repeats_nothing(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    await house.start(house.room(bot, room, book))

    def full(self: Kept, data: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Kept, "save", full)
        await mod.ask(room, "!porter pause")
    await mod.ask(room, "!porter status")
    assert book.texts == ["pause", "status"]


async def test_a_bot_that_was_removed_comes_back_when_invited(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    porter = house.room(bot, room, book)
    await house.start(porter)
    await mod.client.room_kick(room, bot)
    async with asyncio.timeout(10):
        while porter.ready.is_set():
            await asyncio.sleep(0.05)
    await mod.say(room, "!porter unheard")
    await mod.client.room_invite(room, bot)
    await asyncio.wait_for(porter.ready.wait(), 20)
    await mod.ask(room, "!porter heard")
    assert book.texts == ["heard"]
