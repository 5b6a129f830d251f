"""Human checks that were used."""

from datetime import UTC, datetime, timedelta

from gateway.store import spent

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_a_check_counts_once(database) -> None:
    assert await database.write(lambda c: spent.spend(c, "a", NOW + HOUR))
    assert not await database.write(lambda c: spent.spend(c, "a", NOW + HOUR))
    assert await database.write(lambda c: spent.spend(c, "b", NOW + HOUR))


async def test_what_is_worth_nothing_any_more_is_forgotten_a_day_later(database) -> None:
    for id, until in (("old", NOW - 25 * HOUR), ("late", NOW - 23 * HOUR), ("new", NOW + HOUR)):
        await database.write(lambda c, i=id, u=until: spent.spend(c, i, u))
    assert await database.write(lambda c: spent.prune(c, NOW)) == 1
    # A clock that was set back by less than a day revives none.
    for id, is_forgotten in (("old", True), ("late", False), ("new", False)):
        again = await database.write(lambda c, i=id: spent.spend(c, i, NOW))
        assert again is is_forgotten
