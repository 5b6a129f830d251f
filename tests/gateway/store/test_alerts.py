"""One message for a cause, counted while it lasts."""

from datetime import UTC, datetime, timedelta

from gateway.store import alerts

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_cause_is_one_row_that_counts(database):
    for second in range(50):
        now = NOW + timedelta(seconds=second)
        await database.write(lambda c, now=now: alerts.raise_alert(c, "burst x", "burst", now))
    (alert,) = await database.read(alerts.pending)
    assert (alert.count, alert.first_at, alert.event_id) == (50, NOW, None)


async def test_a_shown_alert_comes_back_only_when_it_grew(database):
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (alert,) = await database.read(alerts.pending)
    await database.write(lambda c: alerts.shown(c, alert.id, "$event", alert.count))
    assert await database.read(alerts.pending) == []
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (grown,) = await database.read(alerts.pending)
    assert (grown.id, grown.count, grown.event_id) == (alert.id, 2, "$event")


async def test_growth_between_reading_and_showing_is_not_lost(database):
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (alert,) = await database.read(alerts.pending)
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    await database.write(lambda c: alerts.shown(c, alert.id, "$event", alert.count))
    assert [a.count for a in await database.read(alerts.pending)] == [2]


async def test_after_an_hour_of_quiet_a_new_message_begins(database):
    await database.write(lambda c: alerts.raise_alert(c, "x", "burst", NOW))
    later = NOW + alerts.QUIET
    await database.write(lambda c: alerts.raise_alert(c, "x", "burst", later))
    assert [a.first_at for a in await database.read(alerts.pending)] == [NOW, later]
