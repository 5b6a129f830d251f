"""Each command out of the room is carried out once, however often it is handed in."""

import pytest
from sqlalchemy.exc import SQLAlchemyError

from bot.ledger import DeskLedger
from bot.room.inbox import Command
from gateway.store import audit

PAUSE = Command("pause --for 1h", "@mod:example.org", "$pause")


async def entries(desk):
    return await desk.database.read(lambda c: audit.of_event(c, PAUSE.event_id))


async def test_what_was_done_before_a_crash_is_told_and_not_done_again(desk):
    ledger = DeskLedger(desk)
    assert await ledger.begin("$pause") == 1
    assert (await ledger.carry_out(PAUSE, 1)).ok
    assert await ledger.begin("$pause") == 2
    answer = await ledger.carry_out(PAUSE, 2)
    assert answer.ok
    assert answer.plain().startswith("This was done before I was stopped:\npause ")
    assert len(await entries(desk)) == 1
    await ledger.answered("$pause")
    assert await ledger.begin("$pause") is None


async def test_what_was_not_done_before_a_crash_is_done_now(desk):
    ledger = DeskLedger(desk)
    answer = await ledger.carry_out(PAUSE, 2)
    assert "closed until" in answer.plain()
    assert len(await entries(desk)) == 1


async def test_a_command_that_stopped_the_process_twice_is_not_tried_a_third_time(desk):
    answer = await DeskLedger(desk).carry_out(PAUSE, 3)
    assert "stopped 2 times in the middle of this command" in answer.plain()
    assert not answer.ok and await entries(desk) == []


class Plug(BaseException):
    """Pulled: nothing after it happens."""


async def test_a_ban_that_is_half_done_is_ended(desk, monkeypatch):
    ledger, add = DeskLedger(desk), desk.bans.add
    ban = Command("ban @spam.example --for 7d", "@mod:example.org", "$ban")

    async def pulled(bans):
        await add(bans)
        raise Plug

    with monkeypatch.context() as patch, pytest.raises(Plug):
        patch.setattr(desk.bans, "add", pulled)
        await ledger.carry_out(ban, 1)
    answer = await ledger.carry_out(ban, 2)
    assert answer.plain().startswith("Banned email @spam.example")
    answer = await ledger.carry_out(ban, 2)
    assert answer.plain() == "This was done before I was stopped:\nban email @spam.example"
    assert len(await desk.bans.search(None, "spam")) == 1


async def test_a_late_command_is_carried_out_after_a_yes(desk):
    ledger = DeskLedger(desk)
    asked = await ledger.hold(PAUSE)
    assert asked.asks and not asked.ok and desk.hours is not None
    assert asked.plain().startswith("This command came while I was away")
    assert (await desk.opening()).is_open
    await ledger.offer("$question", asked.offers)
    yes = await ledger.offered("$question", "✅")
    assert await ledger.offered("$question", "🎉") is None
    answer = await ledger.carry_out(Command(yes, "@mod:example.org", "$yes"), 1)
    assert "closed until" in answer.plain()


async def test_a_late_command_asks_once_however_often_it_is_handed_in(desk):
    ledger = DeskLedger(desk)
    assert (await ledger.hold(PAUSE)).offers == (await ledger.hold(PAUSE)).offers
    unclosed = await ledger.hold(Command('ban name "x', "@mod:example.org", "$x"))
    assert not unclosed.offers and not unclosed.ok


async def test_nothing_is_begun_while_the_database_cannot_be_written(desk, monkeypatch):
    async def full(work):
        raise SQLAlchemyError("database or disk is full")

    monkeypatch.setattr(desk.database, "write", full)
    with pytest.raises(SQLAlchemyError):
        await DeskLedger(desk).begin("$pause")
