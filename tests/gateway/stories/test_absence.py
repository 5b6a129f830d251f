"""The bot is away while commands for the admin room wait for it."""

from datetime import timedelta

import pytest

from gateway.store import admin_room, alerts, orders
from gateway.store.admin_room import Reading
from gateway.store.database import Database
from gateway.stories.absence import absence, look_for_bot
from tests.gateway.conftest import NOW

LATER = NOW + timedelta(minutes=3)


@pytest.fixture
async def do(tmp_path):
    """Works in one transaction on a real, empty database."""
    database = Database(tmp_path / "porter.db")
    database.open()
    yield database.write
    await database.close()


def read(at):
    return lambda c: admin_room.keep(c, Reading("!admins:example.org", "$event", 0, at))


def order(connection):
    orders.place(connection, "wish", "!admin token issue --once", NOW)


async def test_nobody_is_missed_while_nothing_waits(do):
    assert await do(lambda c: absence(c, NOW)) is None
    await do(read(NOW - timedelta(days=1)))
    assert await do(lambda c: absence(c, NOW)) is None


async def test_a_bot_that_reads_is_not_away_whatever_waits(do):
    await do(order)
    await do(read(LATER))
    assert await do(lambda c: absence(c, LATER)) is None


async def test_a_bot_that_was_never_there_is_missed_after_a_while(do):
    await do(order)
    assert await do(lambda c: absence(c, NOW + timedelta(minutes=1))) is None
    assert await do(lambda c: absence(c, LATER)) == (
        "The bot has never read the homeserver's admin room: mails wait for its tokens."
    )


async def test_an_absence_is_told_once_and_taken_back_when_the_bot_is_there(do):
    await do(read(NOW))
    await do(order)
    for minutes in (3, 4):
        now = NOW + timedelta(minutes=minutes)
        await do(lambda c, now=now: look_for_bot(c, now))
    (alert,) = await do(alerts.lasting)
    assert alert.version == 1
    assert alert.text == (
        f"The bot has not read the homeserver's admin room since {NOW:%Y-%m-%d %H:%M} UTC:"
        " mails wait for its tokens"
    )
    await do(read(LATER))
    await do(lambda c: look_for_bot(c, LATER))
    assert await do(alerts.lasting) == []
