"""Moderators see how the desk stands, close it and open it."""

from datetime import timedelta

from gateway.rules.bans import Kind


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
