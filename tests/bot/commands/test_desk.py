"""Moderators see how the desk stands, close it and open it."""

import json
from datetime import timedelta

from bot.commands.standing import ROOM_WARNINGS
from gateway.rules.bans import Kind
from gateway.store import admin_room, alerts, facts, health, leases
from gateway.store.health import Health


async def test_a_pause_closes_the_desk_and_says_why(typed, apply, clock):
    answer = await typed("pause --for 2h --message 'moving house'")
    assert answer.plain() == "The desk is closed until 2026-11-24 14:00 UTC."
    (refusal,) = await apply()
    assert (refusal.code, refusal.retry_after) == ("closed", timedelta(hours=2))
    assert "closed until 2026-11-24 14:00 UTC: moving house" in (await typed("status")).plain()
    clock.turn(timedelta(hours=2))
    assert await apply() == ()


async def test_a_pause_without_end_lasts_until_resumed(typed, apply, clock):
    await typed("pause")
    clock.turn(timedelta(days=99))
    assert [each.code for each in await apply()] == ["closed"]
    assert "until somebody resumes it" in (await typed("status")).plain()
    assert (await typed("resume")).plain() == "The desk is open again."
    assert await apply() == ()
    assert (await typed("resume")).plain() == "The desk was not paused."


async def test_status_counts_and_names_faults(typed, apply, desk):
    await apply()
    await typed("ban @a.example")
    desk.bans.path(Kind.NAME).write_text("(\n")
    await desk.bans.refresh()
    answer = await typed("status")
    assert not answer.ok
    text = answer.plain()
    assert "The desk is open." in text
    assert "Requests within a day: 1 pending." in text
    assert "Mails owed: 1, the oldest since 2026-11-24 12:00 UTC." in text
    assert "Bans in force: 1." in text
    assert "usernames.txt, line 1" in text


async def test_status_says_since_when_a_server_is_down_and_why(typed, desk, clock):
    text = (await typed("status")).plain()
    assert "Mail server: nobody has looked yet." in text
    assert "No gateway runs" in text
    down = Health(False, clock(), "The mail server 127.0.0.1:1 cannot be used")

    def note(connection):
        health.note(connection, "homeserver", Health(True, clock()))
        health.note(connection, "smtp", down)
        leases.take(connection, "vigil", "other", clock(), timedelta(minutes=5))

    await desk.database.write(note)
    text = (await typed("status")).plain()
    assert "Homeserver: up." in text
    assert f"Mail server: down since 2026-11-24 12:00 UTC, {down.reason}" in text
    assert "No gateway runs" not in text


async def test_status_shows_alerts_mutes_reviews_and_the_rooms_warnings(typed, desk, clock):
    def fill(connection):
        for cause in ("burst network 203.0.113.0/24", "disk low"):
            alerts.raise_alert(connection, cause, cause, clock())
        facts.note(connection, ROOM_WARNINGS, json.dumps(["The room is public."]))
        admin_room.warn(connection, ["homeserver.admin_room: it is encrypted."], clock())

    await desk.database.write(fill)
    await typed("mute burst")
    text = (await typed("status")).plain()
    assert "Alerts: 2 open; muted: burst." in text
    assert "Warning: The room is public." in text
    assert "Warning: homeserver.admin_room: it is encrypted." in text


async def test_status_tells_of_requests_that_wait_however_old(typed, apply, desk, clock):
    await typed("ban @odd.example --review")
    await apply("ann", "ann@odd.example")
    clock.turn(timedelta(days=3))
    text = (await typed("status")).plain()
    assert "Requests within a day: none." in text
    assert "Waiting for a decision: 1, see review" in text


async def test_status_fits_a_telephone(typed):
    assert len((await typed("status")).lines) <= 10
