"""How long mails take at present is read from the outbox now and then, and fails no request."""

from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from gateway.rules.pace import Pace
from gateway.store.database import Database
from gateway.store.schema import mails, registrations
from gateway.stories.mail_pace import MailPace

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def database(tmp_path):
    database = Database(tmp_path / "porter.db")
    database.open()
    yield database
    await database.close()


@pytest.fixture
async def owe(database, clock):
    """Writes a mail down that was owed so many minutes ago, and sent after so many."""
    words = dict.fromkeys(("name", "email", "email_key", "ip", "network", "language"), "x")
    values = {"refusals": "[]", "name_checked": True, "status": "mailed"} | words
    now = clock()

    def add(connection):
        row = registrations.insert().values(**values, created_at=now, held_until=now)
        return connection.execute(row).inserted_primary_key[0]

    number = await database.write(add)

    async def write(ago: float, took: float | None = None, **more) -> None:
        owed = clock() - ago * MINUTE
        values = {
            "registration_id": number,
            "kind": "token",
            "status": "queued" if took is None else "sent",
            "created_at": owed,
            "due_at": owed,
            "attempts": 0,
            "message_id": "x",
            "sent_at": None if took is None else owed + took * MINUTE,
        }
        await database.write(lambda c: c.execute(mails.insert().values(values | more)))

    return write


async def told(database, clock) -> Pace:
    return await MailPace(database, clock).at_present()


async def test_a_desk_that_has_just_opened_promises_the_usual(database, clock):
    assert await told(database, clock) == Pace()


async def test_the_latest_mails_count_and_those_of_today(owe, database, clock):
    await owe(60 * 48, took=400)
    assert await told(database, clock) == Pace()
    for ago in (300, 200, 100):
        await owe(ago, took=18)
    assert await told(database, clock) == Pace(20)
    for _ in range(50):
        await owe(30, took=0.2)
    assert await told(database, clock) == Pace()


async def test_mails_without_a_token_tell_nothing(owe, database, clock):
    await owe(30, took=20, kind="rejected")
    await owe(30, kind="review")
    await owe(30, status="failed")
    await owe(30, status="cancelled")
    assert await told(database, clock) == Pace()


async def test_mails_that_wait_while_none_goes_out_are_held_up(owe, database, clock):
    await owe(60, took=0.2)
    await owe(9)
    assert await told(database, clock) == Pace()
    await owe(11)
    assert await told(database, clock) == Pace(is_held_up=True)


async def test_one_mailbox_that_takes_nothing_holds_nobody_else_up(owe, database, clock):
    await owe(300)
    await owe(20, took=0.5)
    assert await told(database, clock) == Pace()
    await owe(15)  # and this one came after the last that went out
    assert await told(database, clock) == Pace(is_held_up=True)


async def test_it_is_read_now_and_then_and_not_for_each_request(owe, database, clock):
    pace = MailPace(database, clock)
    assert await pace.at_present() == Pace()
    await owe(11)
    assert await pace.at_present() == Pace()
    clock.now += timedelta(seconds=15)
    assert await pace.at_present() == Pace(is_held_up=True)


async def test_a_database_that_cannot_be_read_leaves_what_was_known(
    owe, database, clock, monkeypatch
):
    pace = MailPace(database, clock)
    await owe(11)
    assert await pace.at_present() == Pace(is_held_up=True)

    async def fail(work):
        raise OperationalError("SELECT", {}, Exception("disk I/O error"))

    monkeypatch.setattr(database, "read", fail)
    clock.now += timedelta(minutes=1)
    assert await pace.at_present() == Pace(is_held_up=True)
