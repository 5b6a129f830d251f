"""Human checks that were used."""

from datetime import UTC, datetime, timedelta

from gateway.store import spent

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


async def test_a_check_counts_once(database) -> None:
    assert await database.write(lambda c: spent.spend(c, "a", NOW + HOUR))
    assert not await database.write(lambda c: spent.spend(c, "a", NOW + HOUR))
    assert await database.write(lambda c: spent.spend(c, "b", NOW + HOUR))
