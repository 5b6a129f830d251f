"""Requests, refusals and accounts are counted by the day in UTC."""

import json
from datetime import UTC, date, datetime, timedelta

import pytest

from gateway.store.registrations import Status
from gateway.store.schema import registrations
from gateway.store.statistics import Period, Statistics, statistics

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)


async def fill(database, *rows):
    """Requests at these moments, with what became of them."""

    def add(connection):
        for at, status, codes, registered_at in rows:
            values = {
                "created_at": at,
                "registered_at": registered_at,
                "status": status,
                "refusals": json.dumps([{"code": code} for code in codes]),
                "name_checked": True,
                "held_until": at,
            }
            words = ("name", "email", "email_key", "ip", "network", "language")
            connection.execute(registrations.insert().values(values | dict.fromkeys(words, "x")))

    await database.write(add)


async def test_each_day_is_counted_also_one_without_requests(database):
    await fill(
        database,
        (NOW, Status.PENDING, [], None),
        (NOW, Status.REFUSED, ["name_banned", "closed"], None),
        (NOW - 2 * DAY, Status.REFUSED, ["closed"], None),
        (NOW - 2 * DAY, Status.REGISTERED, [], NOW - DAY),
        (NOW - 3 * DAY, Status.REFUSED, ["closed"], None),
    )
    assert await database.read(lambda c: statistics(c, NOW, 3)) == Statistics(
        1,
        (
            Period(date(2026, 11, 22), 2, 1, 0),
            Period(date(2026, 11, 23), 0, 0, 1),
            Period(date(2026, 11, 24), 2, 1, 0),
        ),
        (("closed", 1), ("name_banned", 1)),
    )


async def test_a_day_begins_at_midnight_in_utc_and_the_future_does_not_count(database):
    midnight = datetime(2026, 11, 24, tzinfo=UTC)
    await fill(
        database,
        *(
            (at, Status.PENDING, [], at)
            for at in (
                midnight - timedelta(microseconds=1),
                midnight,
                midnight + DAY,
                NOW + 9 * DAY,
            )
        ),
    )
    found = await database.read(lambda c: statistics(c, NOW, 2))
    assert [(each.requests, each.accounts) for each in found.periods] == [(1, 1), (1, 1)]


async def test_weeks_hold_seven_days_and_today_is_the_last_of_them(database):
    await fill(database, *((NOW - n * DAY, Status.PENDING, [], None) for n in range(14)))
    found = await database.read(lambda c: statistics(c, NOW, 14, 7))
    assert found.periods == (
        Period(date(2026, 11, 11), 7, 0, 0),
        Period(date(2026, 11, 18), 7, 0, 0),
    )
    assert found.total() == Period(date(2026, 11, 11), 14, 0, 0)


async def test_the_oldest_possible_day_is_no_accident(database):
    found = await database.read(lambda c: statistics(c, NOW, 371, 7))
    assert len(found.periods) == 53
    assert found.reasons == ()


@pytest.mark.parametrize("column", ["created_at", "registered_at"])
async def test_an_index_serves(database, column):
    index = {"created_at": "registrations_by_time", "registered_at": "registrations_by_account"}
    query = (
        f"SELECT date({column}), count(*) FROM registrations WHERE {column} >= '2026' GROUP BY 1"
    )

    def plan(connection):
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {query}")
        return " ".join(str(row[-1]) for row in found)

    assert index[column] in await database.read(plan)
