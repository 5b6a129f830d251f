"""A job is done by one process at a time, and by another when that one dies."""

from datetime import UTC, datetime, timedelta

from gateway.store import leases

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SPAN = timedelta(minutes=1)


async def take(database, holder, now):
    return await database.write(lambda c: leases.take(c, "rotation", holder, now, SPAN))


async def test_one_holds_it_and_may_prolong_it(database):
    assert await take(database, "a", NOW)
    assert not await take(database, "b", NOW)
    assert await take(database, "a", NOW + SPAN / 2)
    assert not await take(database, "b", NOW + SPAN)


async def test_it_passes_on_when_it_ends_or_is_given_back(database):
    assert await take(database, "a", NOW)
    assert await take(database, "b", NOW + SPAN)
    await database.write(lambda c: leases.release(c, "rotation", "a"))
    assert not await take(database, "c", NOW + SPAN)
    await database.write(lambda c: leases.release(c, "rotation", "b"))
    assert await take(database, "c", NOW + SPAN)


async def test_a_clock_set_back_does_not_jam_the_job(database):
    assert await take(database, "a", NOW + timedelta(days=1))
    assert await take(database, "b", NOW)
