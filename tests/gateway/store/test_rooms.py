"""Alerts stand in one room; when another takes its place, what lasts is told there anew."""

from datetime import UTC, datetime

from gateway.store import alerts, rooms

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_what_lasts_is_new_in_another_room_and_what_is_over_stays_behind(database):
    def fill(connection):
        assert not rooms.enter(connection, "!old")
        for cause in ("review 1", "smtp"):
            number = alerts.raise_alert(connection, cause, cause, NOW, quiet=None)
            alerts.shown(connection, number, 1, f"${cause}", "$details")
        alerts.end(connection, "smtp", NOW, "Well again")
        alerts.shown(connection, number, 2, "$smtp", "$details")

    def waiting(connection):
        return [(each.cause, each.event_id) for each in alerts.pending(connection, NOW)]

    await database.write(fill)
    assert not await database.write(lambda c: rooms.enter(c, "!old"))
    assert await database.read(waiting) == []
    assert await database.write(lambda c: rooms.enter(c, "!new"))
    assert await database.read(waiting) == [("review 1", None)]
    assert not await database.write(lambda c: rooms.enter(c, "!new"))
