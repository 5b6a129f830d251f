"""The limits: what counts, for how long, and when there is room again."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine

from gateway.rules.limits import Limit, Scope, parse_limit
from gateway.store import crowds, outbox, registrations
from gateway.store.columns import metadata
from gateway.store.registrations import Request, Status

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ANN = Request("ann", "ann@x.org", "ann@x.org", "203.0.113.7", "203.0.113.0/24", "en")
SIX = replace(ANN, ip="2001:db8:0:1::7", network="2001:db8:0:1::/64", wide_network="2001:db8::/48")


def add(connection, request, status=Status.REFUSED, now=NOW):
    return registrations.add(
        connection, request, status, now, held_until=now + DAY, name_checked=True
    )


async def full(database, request, now=NOW, **limits):
    asked = {Scope(key): (parse_limit(text),) for key, text in limits.items()}
    found = await database.read(lambda c: crowds.used_up(c, request, now, asked))
    return {each.scope.value: each.room_at for each in found}


@pytest.mark.parametrize(
    ("scope", "first", "alike", "other"),
    [
        ("email", ANN, replace(SIX, name="bob"), replace(ANN, email_key="bob@x.org")),
        ("domain", ANN, replace(SIX, email_key="b@x.org"), replace(ANN, email_key="ann@y.org")),
        ("ipv4", ANN, replace(ANN, email_key="b@y.org"), replace(ANN, ip="203.0.113.8")),
        ("network", ANN, replace(ANN, ip="203.0.113.8"), replace(ANN, network="198.51.100.0/24")),
        ("network", SIX, replace(SIX, ip="2001:db8:0:1::8"), replace(SIX, network="2001:db8::/64")),
        (
            "ipv6_48",
            SIX,
            replace(SIX, network="2001:db8:0:2::/64"),
            replace(SIX, wide_network="2001:db8:1::/48"),
        ),
    ],
)
async def test_refused_requests_of_its_kind_fill_a_limit_and_others_do_not(
    database, scope, first, alike, other
):
    status = Status.REPEAT if scope in ("email", "domain") else Status.REFUSED
    await database.write(lambda c: [add(c, first, status), add(c, alike, status)])
    assert set(await full(database, alike, **{scope: "2 per 1h"})) == {scope}
    assert await full(database, alike, **{scope: "3 per 1h"}) == {}
    assert await full(database, other, **{scope: "2 per 1h"}) == {}
    assert await full(database, alike, NOW + HOUR, **{scope: "2 per 1h"}) == {}


@pytest.mark.parametrize("scope", ["email", "domain"])
async def test_whoever_is_refused_uses_up_no_limit_of_others(database, scope):
    await database.write(lambda c: [add(c, ANN) for _ in range(9)])
    assert await full(database, SIX, **{scope: "1 per 1d"}) == {}


async def test_a_provider_that_everybody_uses_has_no_limit(database):
    gmail = replace(ANN, email_key="ann@gmail.com")
    await database.write(lambda c: [add(c, gmail, Status.MAILED)])
    assert await full(database, gmail, domain="1 per 1h") == {}


async def test_an_ipv6_address_has_no_limit_of_an_ipv4_one(database):
    await database.write(lambda c: add(c, SIX))
    assert await full(database, SIX, ipv4="1 per 1h") == {}


async def test_only_requests_that_were_not_refused_count_in_all(database):
    await database.write(lambda c: [add(c, ANN, status) for status in Status])
    accepted = len(Status) - 1
    assert await full(database, SIX, all=f"{accepted + 1} per 1d") == {}
    assert await full(database, SIX, all=f"{accepted} per 1d") == {"all": NOW + DAY}


async def test_each_of_several_limits_holds(database):
    await database.write(lambda c: [add(c, ANN, Status.MAILED, NOW - 2 * HOUR) for _ in range(3)])
    limits = {Scope.ALL: (Limit(2, HOUR), Limit(3, DAY))}
    found = await database.read(lambda c: crowds.used_up(c, ANN, NOW, limits))
    assert [each.limit for each in found] == [Limit(3, DAY)]


async def test_rows_from_the_future_neither_jam_a_limit_nor_open_it(database):
    await database.write(lambda c: [add(c, ANN, now=NOW + DAY), add(c, ANN)])
    assert await full(database, ANN, network="2 per 1h") == {}
    assert set(await full(database, ANN, network="1 per 1h")) == {"network"}


async def test_a_limit_of_none_lets_nobody_in(database):
    assert await full(database, ANN, network="0 per 1h", all="0 per 1d") == {
        "network": NOW + HOUR,
        "all": NOW + DAY,
    }


async def test_so_many_mails_may_be_owed(database):
    def owe(connection):
        outbox.owe(connection, add(connection, ANN, Status.PENDING), "x.org", NOW)

    await database.write(owe)
    assert not await database.read(lambda c: crowds.mails_wait(c, 2))
    assert await database.read(lambda c: crowds.mails_wait(c, 1))
    assert await database.read(lambda c: crowds.mails_wait(c, 0))


@pytest.mark.parametrize("scope", [*Scope])
async def test_an_index_serves_each_limit(database, scope):
    def plan(connection):
        sql, _ = crowds._statement((scope,))._written(connection.dialect)
        return " ".join(
            row[3]
            for row in connection.exec_driver_sql("EXPLAIN QUERY PLAN " + sql.replace("?", "'x'"))
        )

    found = await database.read(plan)
    assert "INDEX registrations_" in found
    assert "TEMP B-TREE" not in found


AGES = st.lists(st.integers(-600, 7200), max_size=12)  # seconds; some from the future


@given(AGES, st.integers(1, 5), st.sampled_from((Scope.NETWORK, Scope.ALL)))
@settings(max_examples=60, deadline=None)
def test_after_retry_after_there_is_room_and_a_second_before_there_is_none(ages, count, scope):
    engine = create_engine("sqlite://")
    limits = {scope: (Limit(count, HOUR),)}
    with engine.connect() as connection:
        metadata.create_all(connection)
        for age in ages:
            add(connection, ANN, Status.MAILED, NOW - timedelta(seconds=age))
        found = crowds.used_up(connection, ANN, NOW, limits)
        if not found:
            return
        add(connection, ANN, Status.REFUSED, NOW)
        (crowd,) = found
        assert NOW < crowd.room_at <= NOW + HOUR
        if all(age > 0 for age in ages):  # those from the future come into the span meanwhile
            before = crowds.used_up(connection, ANN, crowd.room_at - timedelta(seconds=1), limits)
            assert before
            assert not crowds.used_up(connection, ANN, crowd.room_at, limits)
    engine.dispose()
