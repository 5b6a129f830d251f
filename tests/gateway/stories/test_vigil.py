"""What stands behind the desk fails and comes back, and the room hears of both."""

import sqlite3
from collections import namedtuple

import pytest
from sqlalchemy.exc import SQLAlchemyError

from gateway.store import alerts, health, leases
from gateway.stories.registration import NotRecorded

AT_ONCE = {"down_after": "0s"}


@pytest.fixture(autouse=True)
def _restless(monkeypatch):
    monkeypatch.setattr("gateway.stories.vigil._MAIL_REST", 0.0)


async def told(house, kind):
    """The texts of one kind of alert, oldest first, each with whether it has ended."""
    found = await house.database.read(lambda c: alerts.pending(c, house.clock()))
    return [(each.text, each.ended_at is not None) for each in found if each.kind == kind]


async def standing(house, server):
    return await house.database.read(lambda c: health.recall(c, server))


async def test_the_mail_server_goes_down_and_comes_back(open_house, post):
    house = await open_house(alerts=AT_ONCE)
    await house.vigil.look()
    assert (await standing(house, "smtp")).is_up and await told(house, "smtp") == []
    await post.stop()
    house.clock.turn(minutes=5)
    for _ in range(3):
        await house.mailer.close()
        await house.vigil.look()
    ((text, ended),) = await told(house, "smtp")
    assert text.startswith(
        f"The mail server cannot be used: `The mail server 127.0.0.1:{post.port}"
    )
    assert not ended
    down = await standing(house, "smtp")
    assert not down.is_up and f"127.0.0.1:{post.port}" in down.reason
    await post.start()
    house.clock.turn(hours=2, minutes=5)
    await house.vigil.look()
    ((text, ended),) = await told(house, "smtp")
    assert "can be used again. It could not for 2h5m, from 2026-11-24 12:05 UTC" in text
    assert ended
    assert (await standing(house, "smtp")).is_up


async def test_the_homeserver_goes_down_and_comes_back(open_house):
    house = await open_house(alerts=AT_ONCE)
    house.source.is_down = True
    await house.vigil.look()
    ((text, _),) = await told(house, "homeserver")
    assert text == "The homeserver cannot be used: `the homeserver is away`. Mails wait for it"
    await house.apply()
    for _ in range(6):
        await house.deliver()
        house.clock.turn(minutes=16)
    await house.deliver()
    assert await house.courier.claim(10) == []
    house.source.is_down = False
    await house.vigil.look()
    ((text, ended),) = await told(house, "homeserver")
    assert ended and "The homeserver can be used again" in text
    assert len(await house.courier.claim(10)) == 1  # no mail sits out its pause


async def test_a_server_that_fails_for_a_moment_is_not_down(house):
    house.source.is_down = True
    await house.vigil.look()
    assert await told(house, "homeserver") == []
    house.source.is_down = False
    await house.vigil.look()
    assert (await standing(house, "homeserver")).is_up


async def test_a_restart_neither_forgets_nor_repeats_what_is_down(open_house):
    house = await open_house(alerts=AT_ONCE)
    house.source.is_down = True
    await house.vigil.look()
    await house.database.write(leases.release_all)
    again = await open_house(source=house.source, alerts=AT_ONCE)
    await again.vigil.look()
    assert len(await told(again, "homeserver")) == 1
    house.source.is_down = False
    await again.vigil.look()
    ((_, ended),) = await told(again, "homeserver")
    assert ended


async def test_of_two_processes_one_keeps_the_vigil(open_house):
    one = await open_house(alerts=AT_ONCE)
    two = await open_house(alerts=AT_ONCE)
    await one.vigil.look()
    two.source.is_down = True
    await two.vigil.look()
    assert await told(two, "homeserver") == []
    one.clock.turn(minutes=7)
    await two.vigil.look()
    assert len(await told(two, "homeserver")) == 1


async def test_while_a_server_is_down_failing_mails_are_no_second_message(open_house, post):
    house = await open_house(alerts=AT_ONCE)
    await post.stop()
    await house.vigil.look()
    await house.apply()
    for _ in range(4):
        await house.deliver()
        house.clock.turn(hours=1)
    assert list(await house.alerts()) == ["smtp down"]


async def test_failing_mails_are_told_until_they_go_out(house, post):
    post.answers.extend(["451 try later"] * 3)
    await house.apply()
    for _ in range(3):
        await house.deliver()
        house.clock.turn(hours=1)
    await house.vigil.look()
    ((text, ended),) = await told(house, "mails")
    assert "Mails are failing" in text and not ended
    await house.deliver()
    await house.vigil.look()
    assert await told(house, "mails") == [("Mails do not fail any more", True)]


async def test_a_disk_that_fills_up_is_told_until_there_is_space_again(house, monkeypatch):
    usage = namedtuple("usage", "free")
    for free, ended in ((400, False), (300, False), (520, False), (600, True)):
        monkeypatch.setattr("shutil.disk_usage", lambda _, free=free: usage(free * 2**20))
        await house.vigil.look()
        ((_, is_over),) = await told(house, "disk")
        assert is_over is ended
    assert (await told(house, "disk"))[0][0] == "There is enough disk space again"


async def test_a_desk_that_cannot_save_says_so_when_it_can(house, monkeypatch, capsys):
    monkeypatch.setattr("gateway.store.database._BUSY", 0.1)
    await house.database.write(
        lambda c: c.exec_driver_sql("ALTER TABLE registrations RENAME TO away")
    )
    for n in range(3):
        with pytest.raises(NotRecorded):
            await house.apply(f"n{n}x")
        house.clock.turn(seconds=10)
    assert capsys.readouterr().out.count("desk_cannot_save") == 1
    await house.database.write(
        lambda c: c.exec_driver_sql("ALTER TABLE away RENAME TO registrations")
    )
    await house.vigil.look()
    ((text, _),) = await told(house, "saving")
    assert text.startswith("The desk could not save anything from 12:00:00 to 12:00:20 UTC: `")
    assert text.endswith(". 3 requests were turned away")


async def test_what_cannot_be_told_either_waits(open_house, monkeypatch):
    house = await open_house()
    other = sqlite3.connect(house.database.path, isolation_level=None)
    monkeypatch.setattr(
        house.database, "write", lambda work: _fail(SQLAlchemyError("disk I/O error"))
    )
    with pytest.raises(NotRecorded):
        await house.apply()
    await house.vigil.look()
    monkeypatch.undo()
    other.close()
    await house.vigil.look()
    ((text, _),) = await told(house, "saving")
    assert "disk I/O error" in text and "1 request was turned away" in text


async def _fail(error):
    raise error


@pytest.mark.parametrize("span", [{"days": -2}, {"days": 2}])
async def test_a_clock_that_jumps_does_not_jam_the_vigil(open_house, span):
    house = await open_house(alerts=AT_ONCE)
    house.source.is_down = True
    await house.vigil.look()
    house.clock.turn(**span)
    house.source.is_down = False
    await house.vigil.look()
    ((text, ended),) = await told(house, "homeserver")
    assert ended and "can be used again" in text


async def test_a_server_that_comes_and_goes_is_one_message_that_counts(open_house):
    house = await open_house(alerts=AT_ONCE)
    for _ in range(5):
        house.source.is_down = True
        await house.vigil.look()
        house.clock.turn(minutes=3)
        house.source.is_down = False
        await house.vigil.look()
        house.clock.turn(minutes=3)
    (alert,) = await house.database.read(lambda c: alerts.pending(c, house.clock()))
    assert alert.count == 5 and alert.ended_at is not None
    house.clock.turn(minutes=20)
    house.source.is_down = True
    await house.vigil.look()
    assert len(await told(house, "homeserver")) == 2


async def test_bursts_end_in_the_background(house):
    for _ in range(10):
        await house.codes("!")
    await house.burst_watch.tell()
    house.clock.turn(minutes=16)
    await house.vigil.look()
    found = await house.database.read(lambda c: alerts.pending(c, house.clock()))
    assert found and all(each.text.startswith("Over: Burst") for each in found)
