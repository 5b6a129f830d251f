"""One message for a cause, counted while it lasts."""

from datetime import UTC, datetime, timedelta

from gateway.store import alerts, mutes

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_a_cause_is_one_row_that_counts(database):
    for second in range(50):
        now = NOW + timedelta(seconds=second)
        await database.write(lambda c, now=now: alerts.raise_alert(c, "burst x", "burst", now))
    (alert,) = await database.read(lambda c: alerts.pending(c, NOW))
    assert (alert.count, alert.first_at, alert.event_id) == (50, NOW, None)


async def test_a_shown_alert_comes_back_only_when_it_grew(database):
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (alert,) = await database.read(lambda c: alerts.pending(c, NOW))
    await database.write(lambda c: alerts.shown(c, alert.id, alert.version, "$event"))
    assert await database.read(lambda c: alerts.pending(c, NOW)) == []
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (grown,) = await database.read(lambda c: alerts.pending(c, NOW))
    assert (grown.id, grown.count, grown.event_id) == (alert.id, 2, "$event")


async def test_growth_between_reading_and_showing_is_not_lost(database):
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (alert,) = await database.read(lambda c: alerts.pending(c, NOW))
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    await database.write(lambda c: alerts.shown(c, alert.id, alert.version, "$event"))
    assert [a.count for a in await database.read(lambda c: alerts.pending(c, NOW))] == [2]


async def test_after_an_hour_of_silence_a_new_message_begins(database):
    await database.write(lambda c: alerts.raise_alert(c, "x", "burst", NOW))
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: alerts.raise_alert(c, "x", "burst", later))
    assert [a.first_at for a in await database.read(lambda c: alerts.pending(c, NOW))] == [
        NOW,
        later,
    ]


async def test_a_cause_that_ends_is_shown_so_and_begins_anew(database):
    offered = [("🚫", "ban 203.0.113.0/24 --for 1d"), ("🔇", "mute {id}")]
    number = await database.write(
        lambda c: alerts.raise_alert(c, "burst x", "burst", NOW, detail="first", actions=offered)
    )
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW, detail="second"))
    (alert,) = await database.read(lambda c: alerts.pending(c, NOW))
    assert alert.details == ("first", "second")
    assert alert.actions == (offered[0], ("🔇", f"mute {number}"))
    await database.write(lambda c: alerts.shown(c, alert.id, alert.version, "$event"))
    assert await database.write(lambda c: alerts.end(c, "burst x", NOW, "It is over."))
    (ended,) = await database.read(lambda c: alerts.pending(c, NOW))
    assert (ended.text, ended.ended_at, ended.actions) == ("It is over.", NOW, ())
    assert await database.read(lambda c: alerts.lasting(c)) == []
    assert not await database.write(lambda c: alerts.end(c, "burst x", NOW))
    await database.write(lambda c: alerts.raise_alert(c, "burst x", "burst", NOW))
    (again,) = await database.read(lambda c: alerts.lasting(c))
    assert (again.id, again.count) == (number + 1, 1)


async def test_a_muted_cause_is_counted_and_not_shown(database):
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: mutes.add(c, "burst", later, "@mod:example.org"))
    for cause in ("burst network x", "burst", "bursting", "mail 1"):
        await database.write(lambda c, cause=cause: alerts.raise_alert(c, cause, cause, NOW))

    def heard(now):
        return lambda c: [each.cause for each in alerts.pending(c, now)]

    assert await database.read(heard(NOW)) == ["bursting", "mail 1"]
    assert len(await database.read(heard(later))) == 4
    assert await database.write(lambda c: mutes.drop(c, "burst"))
    assert not await database.write(lambda c: mutes.drop(c, "burst"))
    assert len(await database.read(heard(NOW))) == 4
