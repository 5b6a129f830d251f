"""A command for the admin room is given once, its reply is kept, and no token in one is lost."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.store import orders, outbox, tokens
from gateway.store.schema import registrations

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)
ISSUED = "New registration token issued: `{}` . Expires after 1 uses."
COMMAND = "!admin token issue --once"


@pytest.fixture
def give(database):
    """Places an order for a wish and has it given; returns its number."""

    async def place_and_give(key="wish", event_id="$1"):
        order = await database.write(lambda c: orders.place(c, key, COMMAND, NOW))
        await database.write(lambda c: orders.given(c, order.id, event_id, NOW))
        return order.id

    return place_and_give


async def answer(database, event_id, reply):
    return await database.write(lambda c: orders.answered(c, event_id, reply, LATER))


async def due(database):
    return [
        (each.value, each.purpose) for each in await database.read(lambda c: tokens.due(c, LATER))
    ]


async def test_a_wish_has_one_order_until_it_is_discarded(database):
    first = await database.write(lambda c: orders.place(c, "wish", COMMAND, NOW))
    again = await database.write(lambda c: orders.place(c, "wish", COMMAND, LATER))
    assert again == first
    await database.write(lambda c: orders.discard(c, first.id, LATER))
    other = await database.write(lambda c: orders.place(c, "wish", COMMAND, LATER))
    assert other.id != first.id


async def test_an_order_is_to_be_given_until_it_is_given_or_discarded(database):
    keys = ("one", "two", "three")
    placed = [await database.write(lambda c, k=k: orders.place(c, k, COMMAND, NOW)) for k in keys]
    assert await database.read(lambda c: orders.to_give(c, 2)) == placed[:2]
    await database.write(lambda c: orders.given(c, placed[0].id, "$1", NOW))
    await database.write(lambda c: orders.discard(c, placed[1].id, NOW))
    assert await database.read(lambda c: orders.to_give(c, 9)) == placed[2:]
    oldest = await database.read(orders.oldest_open)
    assert oldest.id == placed[0].id, "it is given, and still waits for its reply"


async def test_the_first_message_that_gave_an_order_stays_its_own(database, give):
    number = await give(event_id="$1")
    await database.write(lambda c: orders.given(c, number, "$2", LATER))
    order = await database.read(lambda c: orders.get(c, number))
    assert (order.event_id, order.given_at) == ("$1", NOW)


async def test_a_reply_is_kept_and_a_repetition_of_it_changes_nothing(database, give):
    await give()
    assert await answer(database, "$1", ISSUED.format("abc"))
    assert await answer(database, "$1", ISSUED.format("abc"))
    order = await database.read(lambda c: orders.of(c, "wish"))
    assert (order.reply, order.answered_at) == (ISSUED.format("abc"), LATER)
    assert await database.read(orders.oldest_open) is None
    assert await due(database) == []


async def test_a_message_that_is_no_order_has_no_reply_of_ours(database, give):
    await give()
    assert not await answer(database, "$other", ISSUED.format("abc"))
    assert await due(database) == []


async def test_a_second_reply_with_another_token_makes_it_an_orphan_once(database, give):
    await give()
    for value in ("abc", "xyz", "xyz"):
        await answer(database, "$1", ISSUED.format(value))
    assert await due(database) == [("xyz", "orphan")]


async def test_a_reply_to_a_discarded_order_makes_its_token_an_orphan(database, give):
    number = await give()
    await database.write(lambda c: orders.discard(c, number, NOW))
    await answer(database, "$1", ISSUED.format("abc"))
    await answer(database, "$1", ISSUED.format("abc"))
    assert await due(database) == [("abc", "orphan")]
    assert await database.read(lambda c: orders.of(c, "wish")) is None


async def test_an_order_that_made_a_token_stands_for_its_wish_for_good(database, give):
    number = await give()
    await answer(database, "$1", ISSUED.format("abc"))
    await database.write(lambda c: orders.discard(c, number, LATER))
    assert (await database.read(lambda c: orders.of(c, "wish"))).id == number
    assert await due(database) == []


async def test_an_order_whose_reply_tells_of_no_token_can_be_discarded(database, give):
    number = await give()
    await answer(database, "$1", "error: unrecognized subcommand 'token'")
    await database.write(lambda c: orders.discard(c, number, LATER))
    assert await database.read(lambda c: orders.of(c, "wish")) is None


async def test_a_token_that_was_revoked_while_its_order_was_open_is_due_when_the_reply_comes(
    database, give
):
    token = await database.write(
        lambda c: tokens.prepare_given(c, "wish", 1, NOW, NOW + timedelta(days=7))
    )
    await give("wish")
    await database.write(lambda c: tokens.withdraw(c, token.id, NOW))
    await database.write(lambda c: tokens.withdrawn(c, token.id, NOW))
    assert await due(database) == []
    await answer(database, "$1", ISSUED.format("abc"))
    assert await due(database) == [("wish", "person")]


async def test_the_mail_that_waited_for_a_reply_is_due_when_it_comes(database, give):
    def ask(connection):
        row = connection.execute(
            registrations.insert().values(
                created_at=NOW,
                name="ann",
                email="ann@example.org",
                email_key="ann@example.org",
                ip="203.0.113.7",
                network="203.0.113.0/24",
                language="en",
                status="pending",
                refusals="[]",
                name_checked=True,
                held_until=NOW,
            )
        )
        number = row.inserted_primary_key[0]
        tokens.prepare_own(connection, number, "wish", NOW, NOW + timedelta(days=7))
        outbox.owe(connection, number, "example.org", NOW)
        (mail,) = outbox.claim(connection, 1, NOW)
        outbox.postponed(connection, mail, "not yet", NOW + timedelta(minutes=5))

    await database.write(ask)
    await give("wish")
    assert await database.write(lambda c: outbox.claim(c, 1, LATER)) == []
    await answer(database, "$1", ISSUED.format("abc"))
    (mail,) = await database.write(lambda c: outbox.claim(c, 1, LATER))
    assert mail.attempts == 1
