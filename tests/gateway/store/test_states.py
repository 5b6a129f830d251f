"""What is so until it is not any more is one message, whoever says so and however often."""

from datetime import UTC, datetime, timedelta

from gateway.store import alerts, states

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
OFFERED = [("🔇", "mute {id} --for 1d")]


async def begin(database, text, now=NOW):
    await database.write(
        lambda c: states.begin(c, "smtp down", text, now, since=NOW, actions=OFFERED)
    )


async def test_the_same_words_are_told_once_and_other_words_anew(database):
    for text in ("Down", "Down", "Down", "Refuses us"):
        await begin(database, text)
    (alert,) = await database.read(alerts.lasting)
    assert (alert.text, alert.count, alert.version) == ("Refuses us", 1, 2)


async def test_it_lasts_until_it_is_ended(database):
    await begin(database, "Down")
    much_later = NOW + timedelta(days=30)
    assert await database.write(lambda c: alerts.end_silent(c, much_later)) == 0
    assert await database.write(lambda c: alerts.end(c, "smtp down", much_later, "Back"))
    assert await database.read(alerts.lasting) == []


async def test_a_relapse_goes_on_as_the_same_message_with_its_actions(database):
    await begin(database, "Down")
    await database.write(lambda c: alerts.end(c, "smtp down", NOW, "Back"))
    await begin(database, "Down", NOW + timedelta(minutes=10))
    (alert,) = await database.read(alerts.lasting)
    assert (alert.id, alert.count, alert.actions) == (1, 2, (("🔇", "mute 1 --for 1d"),))
    later = NOW + timedelta(hours=1)
    await database.write(lambda c: alerts.end(c, "smtp down", NOW, "Back"))
    await begin(database, "Down", later)
    (alert,) = await database.read(alerts.lasting)
    assert (alert.id, alert.count) == (2, 1)
