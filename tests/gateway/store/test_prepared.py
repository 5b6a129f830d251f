"""A prepared statement answers as SQLAlchemy's own execution does, errors included."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import bindparam, select
from sqlalchemy.exc import DBAPIError

from gateway.store.columns import UtcDateTime
from gateway.store.prepared import Prepared
from gateway.store.room_schema import events

NOW = datetime(2026, 11, 24, 12, 30, 15, 123456, tzinfo=UTC)
ADD = Prepared(events.insert().returning(events.c.event_id), ("event_id", "at", "times"))
FIND = Prepared(
    select(events.c.event_id).where(events.c.at > bindparam("since", type_=UtcDateTime))
)
FIXED = Prepared(select(events.c.event_id).where(events.c.event_id == "$one"))


async def test_what_it_writes_sqlalchemy_reads_back(database):
    row = await database.write(lambda c: ADD.first(c, {"event_id": "$one", "at": NOW, "times": 1}))
    assert tuple(row) == ("$one",)
    query = select(events.c.event_id, events.c.at)
    assert await database.read(lambda c: c.execute(query).one()) == ("$one", NOW)


async def test_times_are_compared_as_times_and_no_row_is_none(database):
    await database.write(lambda c: ADD.first(c, {"event_id": "$one", "at": NOW, "times": 1}))
    second = timedelta(seconds=1)
    found = await database.read(lambda c: FIND.first(c, {"since": NOW - second}))
    assert tuple(found) == ("$one",)
    assert await database.read(lambda c: FIND.first(c, {"since": NOW})) is None


async def test_a_value_that_stands_in_the_statement_needs_not_be_given(database):
    assert await database.read(lambda c: FIXED.first(c, {})) is None
    await database.write(lambda c: ADD.first(c, {"event_id": "$one", "at": NOW, "times": 1}))
    assert tuple(await database.read(lambda c: FIXED.first(c, {}))) == ("$one",)


async def test_an_error_is_sqlalchemys_and_undoes_its_unit_alone(database):
    await database.write(lambda c: ADD.first(c, {"event_id": "$one", "at": NOW, "times": 1}))
    with pytest.raises(DBAPIError) as caught:
        await database.write(lambda c: ADD.first(c, {"event_id": "$one", "at": NOW, "times": 1}))
    assert "$one" not in str(caught.value)
    await database.write(lambda c: ADD.first(c, {"event_id": "$two", "at": NOW, "times": 1}))
    query = select(events.c.event_id)
    assert [*await database.read(lambda c: c.execute(query).scalars().all())] == ["$one", "$two"]
