"""A command is taken up once."""

from datetime import UTC, datetime

from gateway.store import events

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_an_event_is_taken_up_once(database):
    assert await database.write(lambda c: events.take_up(c, "$one", NOW))
    assert not await database.write(lambda c: events.take_up(c, "$one", NOW))
    assert await database.write(lambda c: events.take_up(c, "$two", NOW))
