"""The desk's orders between the database and the homeserver's admin room."""

from datetime import timedelta

import pytest

from bot.orders import BEAT, DeskOrders
from bot.room.admin_inbox import Given, NewAccount, Reply
from bot.room.admin_room import Position
from gateway.store import accounts, admin_room, alerts, orders, tokens

ISSUE = "!admin token issue --once"
ROOM = "!admins:example.org"


@pytest.fixture
def book(desk):
    return DeskOrders(desk)


async def placed(desk, key="wish"):
    now = desk.clock()
    return (await desk.database.write(lambda c: orders.place(c, key, ISSUE, now))).id


async def read(desk, number):
    return await desk.database.read(lambda c: orders.get(c, number))


async def test_an_order_waits_until_it_is_answered(desk, book, clock):
    number = await placed(desk)
    (order,) = await book.waiting(4)
    assert (order.id, order.command, order.awaited_for) == (number, ISSUE, None)
    await book.given(number, "$command")
    clock.turn(timedelta(seconds=5))
    (order,) = await book.waiting(4)
    assert order.awaited_for == 5
    await book.heard([Reply("$command", "issued: `abc` .")], Position(ROOM, "$reply"))
    assert await book.waiting(4) == []
    assert (await read(desk, number)).reply == "issued: `abc` ."


async def test_those_that_wait_for_a_reply_are_counted(desk, book):
    numbers = [await placed(desk, f"wish {n}") for n in range(6)]
    await book.given(numbers[0], "$first")
    assert [each.id for each in await book.waiting(4)] == numbers[:4]
    for number in numbers[:4]:
        await book.given(number, f"${number}")
    assert [each.id for each in await book.waiting(4)] == numbers[:4]


async def test_a_clock_that_was_set_back_makes_no_order_wait_for_as_long(desk, book, clock):
    await book.given(await placed(desk), "$command")
    clock.turn(-timedelta(days=30))
    (order,) = await book.waiting(4)
    assert order.awaited_for == 30 * 24 * 3600


async def test_a_command_that_was_not_noted_is_known_by_its_mark(desk, book):
    number = await placed(desk)
    (order,) = await book.waiting(4)
    said = [Given(number, order.mark, "$command"), Reply("$command", "issued: `abc` .")]
    await book.heard(said, Position(ROOM, "$reply"))
    assert (await read(desk, number)).reply == "issued: `abc` ."


async def test_a_command_of_another_database_is_not_ours(desk, book):
    number = await placed(desk)
    said = [Given(number, "another", "$command"), Reply("$command", "issued: `abc` .")]
    await book.heard(said, Position(ROOM, "$reply"))
    assert (await read(desk, number)).event_id is None
    (order,) = await book.waiting(4)
    assert order.awaited_for is None


async def test_a_late_reply_to_what_was_given_up_makes_an_orphan(desk, book):
    number = await placed(desk)
    await book.given(number, "$command")
    await book.give_up(number)
    assert await book.waiting(4) == []
    anew = await placed(desk)
    assert anew != number
    await book.heard([Reply("$command", "token issued: `late` .")], Position(ROOM, "$reply"))
    assert (await read(desk, anew)).reply is None
    orphan = await desk.database.read(lambda c: tokens.with_value(c, "late"))
    assert orphan.purpose == "orphan"


async def test_an_account_is_seen_when_it_was_made(desk, book, clock):
    made = clock.now - timedelta(hours=3)
    ann = NewAccount("ann", made, "203.0.113.7")
    await book.heard([ann, ann], Position(ROOM, "$notice"))
    seen = await desk.database.read(lambda c: accounts.get(c, "ann"))
    assert (seen.at, seen.ip, seen.seen_at) == (made, "203.0.113.7", clock.now)


async def test_the_position_belongs_to_one_room(desk, book):
    assert await book.position(ROOM) is None
    await book.heard([], Position(ROOM, "$event", 5))
    assert await book.position(ROOM) == Position(ROOM, "$event", 5)
    assert await book.position("!another:example.org") is None


async def test_a_reading_without_news_is_kept_now_and_then(desk, book, clock):
    async def read_at():
        return (await desk.database.read(admin_room.last)).read_at

    began = clock.now
    await book.heard([], Position(ROOM, "$event"))
    clock.turn(BEAT / 2)
    await book.heard([], Position(ROOM, "$event"))
    assert await read_at() == began
    clock.turn(BEAT)
    await book.heard([], Position(ROOM, "$event"))
    assert await read_at() == clock.now


async def test_what_is_wrong_is_told_once_and_taken_back(desk, book, clock):
    for _ in range(2):
        await book.warn(["homeserver.admin_room: the room is encrypted."])
    (alert,) = await desk.database.read(alerts.lasting)
    assert alert.text == (
        "The homeserver's admin room is not as it should be:\n"
        "homeserver.admin_room: the room is encrypted."
    )
    assert alert.version == 1
    await book.warn([])
    assert await desk.database.read(alerts.lasting) == []
    assert await desk.database.read(admin_room.warnings) == []
