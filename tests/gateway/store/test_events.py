"""A command is taken up until it is answered."""

from datetime import UTC, datetime

from gateway.store import events

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_an_event_is_taken_up_until_it_is_answered(database):
    def begin(event_id):
        return lambda c: events.begin(c, event_id, NOW)

    assert await database.write(begin("$one")) == 1
    assert await database.write(begin("$one")) == 2
    await database.write(lambda c: events.answered(c, "$one", NOW))
    assert await database.write(begin("$one")) is None
    assert await database.write(begin("$two")) == 1
