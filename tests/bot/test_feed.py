"""The desk's alerts on their way to the room."""

from datetime import UTC, datetime, timedelta

from bot.feed import DeskAlerts
from gateway.store import alerts, offers

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_an_alert_reaches_the_room_with_outside_values_set_apart(desk):
    text = "Refused requests, pattern `<b>@room</b>\u202e`: name banned"
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst", text, NOW))
    feed = DeskAlerts(desk)
    (alert,) = await feed.pending()
    assert alert.message.plain() == "Refused requests, pattern <b>@room</b>\\u202e: name banned"
    assert "<code>&lt;b&gt;@room&lt;/b&gt;\\u202e</code>" in alert.message.html()
    await feed.shown(alert.id, alert.version, "$message", None)
    assert await feed.pending() == []


async def test_no_backquote_lets_a_value_out_of_its_place(desk):
    text = f"pattern {alerts.outside('`@room`')}: banned"
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst", text, NOW))
    (alert,) = await DeskAlerts(desk).pending()
    assert alert.message.html() == "pattern <code>&#x27;@room&#x27;</code>: banned"


async def test_a_cause_that_grows_comes_back_with_its_count(desk):
    feed = DeskAlerts(desk)
    for _ in range(3):
        await desk.database.write(lambda c: alerts.raise_alert(c, "burst x", "Burst", NOW))
    (alert,) = await feed.pending()
    assert alert.message.plain() == "Burst (×3 since 12:00 UTC)"
    await feed.shown(alert.id, alert.version, "$message", None)
    later = NOW + timedelta(minutes=5)
    await desk.database.write(lambda c: alerts.raise_alert(c, "burst x", "Burst", later))
    (alert,) = await feed.pending()
    assert (alert.event_id, alert.is_new) == ("$message", False)
    assert alert.message.plain() == "Burst (×4 since 12:00 UTC)"
    await desk.database.write(lambda c: alerts.end_silent(c, later + timedelta(hours=1)))
    (alert,) = await feed.pending()
    assert alert.is_over
    assert alert.message.plain() == "Over: Burst (×4 from 12:00 to 12:05 UTC)"


async def test_what_a_reaction_does_stands_beside_it(desk):
    actions = [("🚫", "ban ip 203.0.113.0/24 --for 1d"), ("🔇", "mute {id} --for 1d")]
    await desk.database.write(
        lambda c: alerts.raise_alert(c, "burst x", "Burst", NOW, detail="one", actions=actions)
    )
    feed = DeskAlerts(desk)
    (alert,) = await feed.pending()
    assert alert.message.plain() == (
        "Burst\n🚫 ban ip 203.0.113.0/24 --for 1d · 🔇 mute 1 --for 1d"
    )
    assert alert.details.plain() == "Some of them (times in UTC):\none"
    await feed.posted(alert.id, "$message", alert.message.offers)
    command = await desk.database.read(lambda c: offers.command(c, "$message", "🔇"))
    assert command == "mute 1 --for 1d"
    # It is not shown before all of it is in the room.
    (again,) = await feed.pending()
    assert (again.event_id, again.is_new) == ("$message", True)


async def test_a_text_that_names_its_commands_is_not_repeated(desk):
    text = "Ask: `approve 3` (✅)"
    actions = [("✅", "approve 3")]
    await desk.database.write(
        lambda c: alerts.raise_alert(c, "review 3", text, NOW, actions=actions)
    )
    (alert,) = await DeskAlerts(desk).pending()
    assert alert.message.plain() == "Ask: approve 3 (✅)"
    assert alert.message.offers == (("✅", "approve 3"),)


async def test_reviews_come_before_what_was_there_first(desk):
    for cause in ("burst x", "smtp down", "review 1"):
        await desk.database.write(lambda c, cause=cause: alerts.raise_alert(c, cause, cause, NOW))
    feed = DeskAlerts(desk)
    first, *_ = await feed.pending()
    assert first.message.plain() == "review 1"
