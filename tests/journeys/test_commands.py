"""The plug pulled on the bot: each command is carried out once, and answered once."""

import asyncio
import random
import sqlite3
from contextlib import closing

import aiohttp
import pytest

from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.gateway.conftest import register
from tests.journeys.conftest import House, OpenHouse, Porter, moderated, until

# Stop for good at a moment of the bot's work, and say so.
STAND_STILL = """
import asyncio, json
from {module} import {owner}

async def stand_still(*_, **__):
    print(json.dumps({{"event": "stands_still"}}), flush=True)
    await asyncio.sleep(3600)

{owner}.{method} = stand_still
"""
BEFORE_THE_ANSWER = STAND_STILL.format(module="bot.room.replies", owner="Replies", method="answer")
BEFORE_IT_IS_REMEMBERED = STAND_STILL.format(
    module="bot.ledger", owner="DeskLedger", method="answered"
)
BEFORE_THE_AUDIT = STAND_STILL.format(
    module="gateway.stories.moderation", owner="Moderation", method="_settle"
)
BEFORE_IT_IS_DONE = STAND_STILL.format(module="bot.console", owner="Console", method="type")


async def start_bot(house: House, first: str = "") -> Porter:
    bot = await house.start("bot", first=first)
    await bot.until_said("room_ready")
    return bot


def audited(house: House, event_id: str) -> int:
    query = "SELECT count(*) FROM audit WHERE event_id = ?"
    return int(house.rows(query, event_id)[0][0])


@pytest.mark.parametrize(
    ("moment", "told"),
    [
        (BEFORE_IT_IS_DONE, "The desk is closed until"),
        (BEFORE_THE_ANSWER, "This was done before I was stopped:"),
        (BEFORE_IT_IS_REMEMBERED, "The desk is closed until"),
    ],
    ids=["before it is done", "between effect and answer", "between answer and memory"],
)
async def test_a_command_is_done_once_and_answered_once(
    open_house: OpenHouse, synapse: Synapse, moderator: Member, moment: str, told: str
) -> None:
    house = await moderated(open_house, synapse, moderator)
    bot = await start_bot(house, moment)
    asked = await moderator.say("!porter pause --for 2h")
    await bot.until_said("stands_still")
    await bot.kill()
    await start_bot(house)
    assert (await moderator.answers_to(asked))[0].startswith(told)
    assert "is closed until" in await moderator.ask("!porter status")
    assert len(await moderator.answers_to(asked)) == 1
    assert audited(house, asked) == 1


async def test_a_token_that_was_made_before_a_crash_is_still_told(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    bot = await start_bot(house, BEFORE_THE_ANSWER)
    asked = await moderator.say("!porter token issue --for 2h")
    await bot.until_said("stands_still")
    await bot.kill()
    await start_bot(house)
    ((number, value),) = house.rows("SELECT id, value FROM tokens WHERE purpose = 'person'")
    (answer,) = await moderator.answers_to(asked)
    assert answer.startswith(f"Token {number}: {value}")
    assert audited(house, asked) == 1
    async with aiohttp.ClientSession() as session:
        assert await register(session, synapse.url, "aftercrash1", value)
        assert not await register(session, synapse.url, "aftercrash2", value)


async def test_a_ban_whose_file_was_written_stands_once_in_file_and_audit(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    bot = await start_bot(house, BEFORE_THE_AUDIT)
    asked = await moderator.say("!porter ban email @spam.example")
    await bot.until_said("stands_still")
    file = house.folder / "bans" / "emails.txt"
    assert file.read_text().count("@spam.example") == 1
    await bot.kill()
    await start_bot(house)
    assert "@spam.example" in (await moderator.answers_to(asked))[0]
    assert file.read_text().count("@spam.example") == 1
    assert audited(house, asked) == 1


async def test_a_command_waits_while_the_database_cannot_be_written(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    bot = await start_bot(house)
    with closing(sqlite3.connect(house.database, timeout=10, isolation_level=None)) as lock:
        lock.execute("BEGIN IMMEDIATE")
        asked = await moderator.say("!porter pause --for 2h")
        assert "this command waits" in (await moderator.answers_to(asked))[0]
        lock.execute("ROLLBACK")
    await until(lambda: audited(house, asked) == 1)
    assert "is closed until" in await moderator.ask("!porter status")
    answers = await moderator.answers_to(asked)
    assert len(answers) == 2 and answers[1].startswith("The desk is closed until")
    assert audited(house, asked) == 1
    assert "Traceback" not in bot.said


async def test_a_late_command_is_carried_out_after_a_yes(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    await (await start_bot(house)).stop()
    late = await moderator.say("!porter pause --for 2h")
    bot = await house.start("bot", ahead=7200)
    await bot.until_said("room_ready")
    (question,) = await moderator.answers_to(late)
    assert "came while I was away" in question and audited(house, late) == 0
    await bot.stop()
    await start_bot(house)
    number = question.split("say confirm ")[1].split(";")[0]
    assert "is closed until" in await moderator.ask(f"!porter confirm {number}")


async def test_a_command_that_kills_is_not_tried_a_third_time(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    await (await start_bot(house)).stop()
    asked = await moderator.say("!porter pause")
    for _ in range(2):
        bot = await house.start("bot", first=BEFORE_IT_IS_DONE)
        await bot.until_said("stands_still")
        await bot.kill()
    await start_bot(house)
    (answer,) = await moderator.answers_to(asked)
    assert "stopped 2 times in the middle of this command" in answer
    assert "The desk is open" in await moderator.ask("!porter status")
    assert audited(house, asked) == 0


async def test_a_burst_with_the_plug_pulled(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    bot = await start_bot(house)

    async def speak() -> list[str]:
        return [await moderator.say(f"!porter pause --for {hours}h") for hours in range(1, 41)]

    speaking = asyncio.create_task(speak())
    done = "SELECT count(*) FROM audit WHERE action = 'pause'"
    for part in (4, 12, 24):
        await until(lambda part=part: house.rows(done)[0][0] >= part)
        await asyncio.sleep(random.uniform(0, 0.1))
        await bot.kill()
        bot = await start_bot(house)
    asked = await speaking
    answers = [await moderator.answers_to(event_id) for event_id in asked]
    assert "is closed until" in await moderator.ask("!porter status")
    assert [len(each) for each in answers] == [1] * 40
    assert [audited(house, event_id) for event_id in asked] == [1] * 40
    # In the order in which they were given.
    events = [event_id for (event_id,) in house.rows("SELECT event_id FROM audit ORDER BY id")]
    assert [each for each in events if each in asked] == asked
