"""After their time addresses are gone from the very file, and still have one account each."""

import asyncio
import random
from datetime import timedelta

import pytest
from sqlalchemy import select

from gateway.rules.screening import Code
from gateway.store import leases, lookback, outbox, registrations
from gateway.store.audit import Author
from gateway.store.database import holds
from gateway.store.keyring import Keyring
from gateway.store.registrations import Status
from gateway.store.schema import hits
from gateway.store.schema import registrations as rows
from gateway.stories.retention import Retention

MOD = Author("@mod:example.org", "$1")


def keeper(house):
    return Retention(
        settings=house.settings,
        database=house.database,
        keyring=Keyring(house.settings.state / "keys"),
        bans=house.bans,
        clock=house.clock,
        breath=0,
    )


async def become(house, number, status):
    def change(connection):
        if status is Status.REGISTERED:
            registrations.registered(connection, number, house.clock(), "ann")
            outbox.cancel(connection, number)
        else:
            registrations.become(connection, number, status)

    await house.database.write(change)


async def test_addresses_go_after_their_time_and_have_one_account_all_the_same(house):
    await house.apply("ann", "Ann.Smith@example.net")
    await house.deliver()
    await become(house, 1, Status.REGISTERED)
    house.clock.turn(days=29)
    assert await keeper(house).look() == {}
    house.clock.turn(days=2)
    assert await keeper(house).look() == {"ips": 1}
    (row,) = await house.rows()
    assert (row.ip, row.network, row.email) == ("", "203.0.113.0/24", "Ann.Smith@example.net")
    house.clock.turn(days=60)
    assert await keeper(house).look() == {"addresses": 1}
    house.clock.turn(days=100)
    assert await keeper(house).look() == {"networks": 1}
    (row,) = await house.rows()
    assert (row.email, row.ip, row.network, row.is_forgotten) == ("", "", "", True)
    assert row.email_key.startswith("#")

    assert await house.apply("other", "ann.smith@example.net", "198.51.100.1") == ()
    assert (await house.statuses())[-1] == "repeat"
    Keyring(house.settings.state / "keys").rotate(house.clock())
    assert await house.apply("third", "ann.smith@example.net", "198.51.100.2") == ()
    assert (await house.statuses())[-1] == "repeat"
    assert await house.apply("fourth", "bob@example.net", "198.51.100.3") == ()
    assert (await house.statuses())[-1] == "pending"


async def test_a_request_that_may_become_an_account_is_left_alone(open_house):
    house = await open_house(
        review={"all": True},
        tokens={"valid_for": "500d"},
        retention={"audit": None, "alerts": None},
    )
    for name in ("waits", "owed", "mailed"):
        await house.apply(name, f"{name}@example.net")
    await house.reviews.approve_all(MOD, [3])
    await house.deliver()
    await house.reviews.approve_all(MOD, [2])
    assert await house.statuses() == ["review", "pending", "mailed"]
    house.clock.turn(days=400)
    assert await keeper(house).look() == {}
    house.clock.turn(days=200)
    # The applicant's token is over by now.
    assert await keeper(house).look() == {"addresses": 1, "ips": 1, "networks": 1}
    assert [row.is_forgotten for row in await house.rows()] == [False, False, True]


async def test_refused_and_repeated_requests_are_deleted_whole(house):
    await house.ban("email", "@spam.example")
    await house.apply("ann", "ann@spam.example")
    await house.apply("bob", "bob@example.net")
    await house.apply("carl", "bob@example.net")  # known by now
    await house.apply("dora", "dora@spam.example")
    assert await house.statuses() == ["refused", "pending", "repeat", "refused"]
    house.clock.turn(days=31)
    assert await keeper(house).look() == {"refused": 3, "ips": 1}
    # Of the newest one's number no other is ever made.
    assert [row.id for row in await house.rows()] == [2, 4]
    await house.apply("eve", "eve@example.net")
    assert (await house.rows())[-1].id == 5
    assert await keeper(house).look() == {"refused": 1}


async def test_what_a_limit_still_counts_is_kept(open_house):
    house = await open_house(
        registration={"limits": {"network": "2 per 60d"}}, retention={"refused": "1d"}
    )
    await house.ban("email", "@spam.example")
    for name in ("ann", "bob"):
        await house.apply(name, f"{name}@spam.example")
    house.clock.turn(days=59)
    assert await keeper(house).look() == {}
    assert Code.TOO_MANY_FROM_NETWORK in await house.codes("carl", "carl@example.net")
    house.clock.turn(days=2)
    assert await keeper(house).look() == {"refused": 2}


async def test_no_address_stands_in_the_file_any_more(house):
    """Whatever became of the requests, and however often rows moved within the file."""
    chance = random.Random(7)
    await house.ban("email", "@spam.example")
    typed = []
    for number in range(150):
        domain = chance.choice(("example.net", "spam.example", "mail.example"))
        email = f"person{number}.{chance.getrandbits(40):x}@{domain}"
        ip = f"198.51.{number}.{chance.randrange(1, 255)}"
        if number % 10 == 3:
            ip = f"2001:db8:{number:x}::{chance.getrandbits(15):x}:{chance.getrandbits(15):x}"
        name = email if number % 7 == 1 else f"person{number}"  # into the wrong field
        typed += [email, ip]
        await house.apply(name, email, ip)
    assert not all(holds_any(house, each) is None for each in typed)
    for mail in await house.courier.claim(20):
        await house.database.write(
            lambda c, mail=mail: outbox.failed(c, mail, f"550 <{typed[0]}> is not here")
        )
        await become(house, mail.registration_id, Status.FAILED)
    for number in range(60, 150):
        await become(house, number, chance.choice((Status.REGISTERED, Status.REJECTED)))
    await house.database.write(
        lambda c: [outbox.cancel(c, each) for each in range(1, 151)] and None
    )
    await house.database.write(
        lambda c: c.execute(
            rows.update().where(rows.c.status == "pending").values(status="rejected")
        )
    )
    house.clock.turn(days=3650)
    await keeper(house).look()
    assert {row.email for row in await house.rows()} == {""}
    left = {each: where for each in typed if (where := holds_any(house, each))}
    assert left == {}


def holds_any(house, value):
    """In which of the database's files a value stands."""
    path = house.database.path
    for each in (path, path.with_name(f"{path.name}-wal")):
        if each.exists() and holds(each, value.encode()):
            return each.name
    return None


async def test_one_of_several_processes_does_it(house, open_house):
    await house.apply()
    await become(house, 1, Status.REGISTERED)
    house.clock.turn(days=365)
    other = await open_house()
    found = await asyncio.gather(keeper(house).look(), keeper(other).look())
    assert sorted(found, key=len) == [{}, {"addresses": 1, "ips": 1, "networks": 1}]


async def test_who_is_stopped_half_way_leaves_the_rest_to_the_next(house, monkeypatch):
    monkeypatch.setattr("gateway.store.retention._AT_ONCE", 2)
    for number in range(7):
        await house.apply(f"ann{number}", f"ann{number}@example.net", f"198.51.{number}.1")
        await become(house, number + 1, Status.REGISTERED)
    house.clock.turn(days=40)
    first = keeper(house)
    first._breath = 3600
    task = asyncio.create_task(first.look())
    async with asyncio.timeout(5):
        while all(row.ip for row in await house.rows()):
            await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [bool(row.ip) for row in await house.rows()].count(False) == 2
    # It was killed, too: its lease stands until its time is over.
    await house.database.write(
        lambda c: leases.take(c, "retention", "gone", house.clock(), timedelta(minutes=5))
    )
    assert await keeper(house).look() == {}
    house.clock.turn(minutes=6)
    assert await keeper(house).look() == {"ips": 5}


async def test_hits_of_a_ban_that_is_gone_are_forgotten(house):
    for value in ("a@spam.example", "b@spam.example"):
        await house.ban("email", value)
        await house.apply("ann", value)
    (ban,) = await house.bans.search(text="a@spam")
    await house.bans.remove([ban])
    house.clock.turn(days=31)
    assert (await keeper(house).look())["hits"] == 1
    left = await house.database.read(lambda c: [*c.execute(select(hits.c.value)).scalars()])
    assert left == ["b@spam.example"]


async def test_what_is_blank_counts_as_nobodys_neighbour(house):
    for number in range(2):
        await house.apply(f"ann{number}", f"ann{number}@example.net")
        await become(house, number + 1, Status.REGISTERED)
    house.clock.turn(days=365)
    await keeper(house).look()
    first, _ = await house.rows()
    past = await house.database.read(lambda c: lookback.earlier(c, first))
    assert (past.network, past.domain) == ({}, {})
    near = lookback.neighbours
    assert await house.database.read(lambda c: near(c, "", first.email_key, 9, but=1)) == []


async def test_a_mail_to_nobody_is_dropped_and_none_is_promised(house):
    await house.apply()
    await become(house, 1, Status.FAILED)
    await house.database.write(lambda c: outbox.cancel(c, 1))
    house.clock.turn(days=365)
    await keeper(house).look()
    with pytest.raises(ValueError, match="The address of registration 1 is kept no more"):
        await house.resending.resend(1, MOD)
    await house.reviews.reject(MOD, 1)
    with pytest.raises(ValueError, match="kept no more"):
        await house.reviews.reopen(MOD, 1)
    await house.database.write(lambda c: outbox.owe(c, 1, "example.org", house.clock(), "rejected"))
    await house.deliver()
    assert [mail.status for mail in await house.mails()] == ["cancelled", "cancelled"]


async def test_who_asks_again_is_known_to_the_moderators_by_what_was_forgotten(open_house):
    house = await open_house(review={"all": True})
    await house.apply()
    await house.reviews.reject(MOD, 1)
    house.clock.turn(days=365)
    await keeper(house).look()
    await house.apply("other", "Ann@example.net", "198.51.100.1")
    text = (await house.alerts())["review 2"][1]
    assert (
        "Earlier from its network: none; from its domain: none; from its address: 1 (1 rej" in text
    )
