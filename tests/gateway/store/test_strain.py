"""What weighs on the desk."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.rules.effort import Strain
from gateway.store import registrations
from gateway.store.registrations import Request, Status
from gateway.store.strain import strain

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
NET, ELSEWHERE = "203.0.113.0/24", "198.51.100.0/24"
MOST = Strain(100, 100)


@pytest.fixture
async def hear(database):
    async def hear(network: str, status: Status, ago: timedelta) -> None:
        request = Request("ann", "a@x.org", "a@x.org", "203.0.113.7", network, "en")
        at = NOW - ago
        await database.write(
            lambda c: registrations.add(c, request, status, at, held_until=at, name_checked=True)
        )

    return hear


async def test_it_is_what_was_heard_lately_and_what_a_network_was_refused(database, hear) -> None:
    for network, status, minutes in (
        (NET, Status.REFUSED, 1),
        (NET, Status.REFUSED, 59),  # remembered, and no crowd any more
        (NET, Status.REFUSED, 61),
        (NET, Status.PENDING, 1),
        (ELSEWHERE, Status.REFUSED, 1),
        (NET, Status.REFUSED, -9),  # from before the clock was set back
    ):
        await hear(network, status, timedelta(minutes=minutes))
    assert await database.read(lambda c: strain(c, NET, NOW, MOST)) == Strain(3, 2)
    assert await database.read(lambda c: strain(c, NET, NOW, Strain(1, 1))) == Strain(1, 1)


async def test_in_a_flood_it_reads_what_came_from_the_network_alone(database) -> None:
    asked: list[str] = []

    def look(connection):
        driver = connection.connection.dbapi_connection
        driver.set_trace_callback(asked.append)
        strain(connection, NET, NOW, MOST)
        driver.set_trace_callback(None)
        return driver.execute(f"EXPLAIN QUERY PLAN {asked[-1]}").fetchall()

    plan = " ".join(row[3] for row in await database.read(look))
    assert "registrations_by_time (created_at>? AND created_at<?)" in plan
    assert "registrations_by_network (network=? AND created_at>? AND created_at<?)" in plan
