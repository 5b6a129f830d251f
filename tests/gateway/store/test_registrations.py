"""What the desk remembers of a request decides the next one."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from gateway.store import audit, lookback, registrations, tokens
from gateway.store.audit import PORTER
from gateway.store.registrations import Request, Status
from gateway.store.schema import unwanted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANN = Request("ann", "ann@x.org", "ann@x.org", "203.0.113.7", "203.0.113.0/24", "en")
BOB = Request("bob", "bob@x.org", "bob@x.org", "198.51.100.7", "198.51.100.0/24", "en")


def look(connection, request, now=NOW, one=False, pseudonyms=()):
    return lookback.seen(
        connection,
        request,
        now,
        cooldown=DAY,
        one_account_per_address=one,
        pseudonyms=pseudonyms,
    )


async def add(database, request, status=Status.PENDING, now=NOW):
    return await database.write(
        lambda c: registrations.add(
            c, request, status, now, held_until=now + 7 * DAY, name_checked=True
        )
    )


async def see(database, request, now=NOW, one=False, pseudonyms=()):
    return await database.read(lambda c: look(c, request, now, one, pseudonyms))


async def test_a_registration_is_found_by_its_number(database):
    first = await add(database, ANN)
    await add(database, BOB, Status.REFUSED)
    row = await database.read(lambda c: registrations.get(c, first))
    assert (row.name, row.status, row.refusals) == ("ann", Status.PENDING, ())
    assert await database.read(lambda c: registrations.get(c, 99)) is None
    assert await database.read(lambda c: [each.id for each in registrations.every(c)]) == [1, 2]
    assert await database.read(lambda c: registrations.counts(c, NOW)) == {
        Status.PENDING: 1,
        Status.REFUSED: 1,
    }


async def test_an_account_ends_the_wait_for_it(database):
    id = await add(database, ANN)
    await database.write(lambda c: tokens.prepare_own(c, id, "t", NOW, NOW + DAY))
    await database.write(lambda c: registrations.mailed(c, id, 1, NOW))
    waiting = await database.read(lambda c: registrations.awaiting_account(c, NOW, 10))
    assert [each.id for each in waiting] == [id]
    assert await database.read(lambda c: registrations.mailed_with(c, 1)) == [id]
    assert await database.write(lambda c: registrations.registered(c, id, NOW))
    assert await database.read(lambda c: registrations.awaiting_account(c, NOW, 10)) == []
    assert (await database.read(lambda c: registrations.get(c, id))).registered_at == NOW
    assert not await database.write(lambda c: registrations.registered(c, id, NOW))


async def test_a_held_name_is_held_from_elsewhere_whatever_the_address(database):
    await add(database, ANN)
    assert not (await see(database, ANN)).name_held
    elsewhere = replace(ANN, network=BOB.network)
    assert (await see(database, elsewhere)).name_held
    assert (await see(database, replace(BOB, name="ann"))).name_held
    assert not (await see(database, replace(BOB, name="ann"), NOW + 7 * DAY)).name_held


async def test_an_address_is_known_in_its_cooldown_and_while_its_name_is_held(database):
    await add(database, ANN, Status.MAILED)
    assert (await see(database, ANN, NOW + HOUR)).address_known
    assert not (await see(database, ANN, NOW + DAY)).address_known
    assert (await see(database, ANN, NOW + DAY, one=True)).address_known
    assert not (await see(database, ANN, NOW + 7 * DAY, one=True)).address_known


async def test_an_address_with_an_account_is_known_for_good_unless_many_are_allowed(database):
    await add(database, ANN, Status.REGISTERED)
    assert (await see(database, ANN, NOW + 365 * DAY, one=True)).address_known
    assert not (await see(database, ANN, NOW + 365 * DAY)).address_known


async def test_whoever_never_got_a_mail_may_ask_again(database):
    await add(database, ANN, Status.FAILED)
    assert not (await see(database, ANN, one=True)).address_known


async def test_of_fifty_at_once_one_is_accepted(database):
    def decide(connection):
        known = look(connection, ANN).address_known
        status = Status.REPEAT if known else Status.PENDING
        registrations.add(connection, ANN, status, NOW, held_until=NOW + DAY, name_checked=True)
        return status

    decided = await asyncio.gather(*(database.write(decide) for _ in range(50)))
    assert decided.count(Status.PENDING) == 1


async def test_a_rejected_registration_stays_rejected(database):
    number = await add(database, ANN)
    assert await database.write(lambda c: registrations.become(c, number, Status.REJECTED))
    assert not await database.write(lambda c: registrations.become(c, number, Status.FAILED))


async def test_an_address_is_known_by_its_pseudonym_after_its_rows_were_purged(database):
    purged = replace(ANN, name="other", email="", email_key="#old")
    await add(database, purged, Status.REGISTERED, NOW - 400 * DAY)
    assert (await see(database, ANN, one=True, pseudonyms=("#new", "#old"))).address_known
    assert not (await see(database, ANN, one=True, pseudonyms=("#new",))).address_known


async def test_who_does_not_want_our_mail_is_known(database):
    def refuse(connection):
        entry = audit.note(connection, PORTER, "unwanted", "#ann", NOW)
        connection.execute(unwanted.insert().values(pseudonym="#ann", at=NOW, entry=entry))

    await database.write(refuse)
    assert (await see(database, ANN, pseudonyms=("#new", "#ann"))).address_known
    assert not (await see(database, BOB, pseudonyms=("#bob",))).address_known
