"""A mail that is owed is sent by one courier, retried with growing pauses, and never forgotten."""

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import event

from gateway.store import outbox
from gateway.store.schema import registrations

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
async def owed(database):
    def owe(connection):
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
        registration_id = row.inserted_primary_key[0]
        outbox.owe(connection, registration_id, "example.org", NOW)
        return registration_id

    return await database.write(owe)


async def claim(database, now):
    return await database.write(lambda c: outbox.claim(c, 10, now))


async def test_one_courier_gets_it_and_the_next_when_the_first_died(database, owed):
    (mail,) = await claim(database, NOW)
    assert mail.registration_id == owed
    assert await claim(database, NOW) == []
    (again,) = await claim(database, NOW + outbox.LEASE)
    assert again.message_id == mail.message_id


async def test_what_a_killed_desk_left_goes_out_at_once_and_then_rests_for_an_hour(database, owed):
    def take_up() -> Awaitable[int]:
        return database.write(lambda c: outbox.release_all(c, NOW))

    assert await take_up() == 0
    assert await claim(database, NOW)
    assert await take_up() == 1
    assert await claim(database, NOW), "the first time it is most likely that nothing arrived"
    assert await take_up() == 1
    hour = timedelta(hours=1)
    assert await claim(database, NOW + hour - timedelta(seconds=1)) == []
    (mail,) = await claim(database, NOW + hour)
    assert (mail.attempts, mail.unsure) == (0, 2)


async def test_the_first_of_a_long_queue_are_found_without_sorting_it(database, owed):
    def plan(connection):
        said = []

        def listen(conn, cursor, statement, parameters, context, executemany):
            if statement.startswith("SELECT mails.id"):
                said.extend(cursor.execute("EXPLAIN QUERY PLAN " + statement, parameters))

        event.listen(connection, "before_cursor_execute", listen)
        assert outbox.claim(connection, 1, NOW)
        return [row[3] for row in said]

    assert await database.write(plan) == [
        "SEARCH mails USING INDEX mails_in_turn (status=? AND attempts=?)"
    ]


async def test_a_sent_mail_is_owed_no_more(database, owed):
    (mail,) = await claim(database, NOW)
    await database.write(lambda c: outbox.sent(c, mail, NOW))
    assert await claim(database, NOW + timedelta(days=9)) == []
    assert await database.read(outbox.depth) == (0, None)


async def test_pauses_grow_up_to_a_quarter_of_an_hour(database, owed):
    now, pauses = NOW, []
    for _ in range(12):
        (mail,) = await claim(database, now)
        due = await database.write(
            lambda c, mail=mail, now=now: outbox.postponed(c, mail, "451", now, lambda: 0.5)
        )
        assert await claim(database, due - timedelta(seconds=1)) == []
        pauses.append(due - now)
        now = due
    assert pauses[:3] == [timedelta(seconds=30 * 2**n) for n in range(3)]
    assert pauses[-1] == timedelta(minutes=15)
    assert await database.read(outbox.depth) == (1, NOW)


async def test_a_mail_cancelled_under_way_stays_cancelled(database, owed):
    (mail,) = await claim(database, NOW)
    assert await database.write(lambda c: outbox.cancel(c, owed)) == 1
    await database.write(lambda c: outbox.postponed(c, mail, "451", NOW))
    assert await claim(database, NOW + timedelta(days=1)) == []


async def test_given_up_is_kept_with_its_reason(database, owed):
    (mail,) = await claim(database, NOW)
    await database.write(lambda c: outbox.failed(c, mail, "550 no such user"))
    assert await claim(database, NOW + timedelta(days=1)) == []


async def test_a_mail_given_back_is_due_at_once_and_counts_no_attempt(database, owed):
    claimed = await claim(database, NOW)
    await database.write(lambda c: outbox.release(c, claimed))
    (again,) = await claim(database, NOW)
    assert again.attempts == 0


async def test_the_story_of_a_registrations_mails_can_be_told(database, owed):
    assert await database.read(lambda c: outbox.is_owed(c, owed))
    (mail,) = await claim(database, NOW)
    await database.write(lambda c: outbox.failed(c, mail, "550 no such user"))
    assert not await database.read(lambda c: outbox.is_owed(c, owed))
    (attempt,) = await database.read(lambda c: outbox.history(c, owed))
    assert (attempt.status, attempt.attempts, attempt.last_error) == (
        "failed",
        1,
        "550 no such user",
    )


async def test_a_mail_that_never_failed_goes_before_those_that_did(database, owed):
    (slow,) = await claim(database, NOW)
    await database.write(lambda c: outbox.postponed(c, slow, "too slow", NOW))
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: outbox.owe(c, owed, "example.org", later))
    fresh, again = await claim(database, later)
    assert (fresh.attempts, again.id) == (0, slow.id)


async def test_what_is_hurried_while_it_is_under_way_does_not_wait(database, owed):
    (mail,) = await claim(database, NOW)
    now = NOW + timedelta(seconds=5)
    await database.write(lambda c: outbox.hurry(c, None, now))
    await database.write(lambda c: outbox.put_off(c, mail, "no token yet", now))
    (again,) = await claim(database, now)
    await database.write(lambda c: outbox.put_off(c, again, "no token yet", now))
    assert await claim(database, now) == []


async def test_a_mail_that_may_have_arrived_twice_rests_for_an_hour(database, owed):
    now = NOW
    for minutes in (1, 80):
        (mail,) = await claim(database, now)
        await database.write(
            lambda c, mail=mail, now=now: outbox.postponed(c, mail, "cut off", now, unsure=True)
        )
        assert await claim(database, now + timedelta(seconds=20)) == []
        if mail.unsure:
            assert await claim(database, now + timedelta(minutes=40)) == []
        now += timedelta(minutes=minutes)
    (mail,) = await claim(database, now)
    assert mail.unsure == outbox.MOST_UNSURE - 1
