"""Each ban is counted as often as it was met."""

from datetime import UTC, datetime, timedelta

from gateway.rules.bans import Kind
from gateway.store import hits
from gateway.store.hits import Hits

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NETWORK, DOMAIN = (Kind.IP, "203.0.113.0/24"), (Kind.EMAIL, "@spam.example")


async def test_hits_are_counted_and_the_last_is_remembered(database):
    await database.write(lambda c: hits.count(c, [NETWORK], NOW))
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: hits.count(c, [NETWORK, DOMAIN], later))
    found = await database.read(lambda c: hits.of(c, [NETWORK, DOMAIN, (Kind.NAME, "^free")]))
    assert found == {NETWORK: Hits(2, later), DOMAIN: Hits(1, later)}
