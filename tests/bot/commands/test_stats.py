"""Moderators see what went on, in a picture and in a table."""

from datetime import timedelta


async def test_a_picture_and_a_table_with_the_same_figures(typed, apply, clock):
    await typed("ban name ^eve")
    await apply("eve", "eve@example.net")
    clock.turn(timedelta(days=2))
    await apply()
    answer = await typed("stats --days 3")
    assert answer.ok
    assert answer.plain().splitlines() == [
        "3 days: 2 requests, 1 refused, 0 accounts opened.",
        "Day (UTC) · Requests · Refused · Accounts",
        "2026-11-26 · 1 · 0 · 0",
        "2026-11-25 · 0 · 0 · 0",
        "2026-11-24 · 1 · 1 · 0",
        "Refused for · Requests",
        "name banned · 1",
    ]
    (picture,) = answer.attachments
    assert picture.name == "statistics.png"
    assert "2 in all" in picture.text
    assert "name banned (1)" in picture.text


async def test_without_a_picture_the_table_stands_alone(typed, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr("bot.commands.stats.paint", nothing)
    answer = await typed("stats --days=1")
    assert answer.ok
    assert answer.attachments == ()
    assert answer.plain().splitlines()[:2] == [
        "Today: 0 requests, 0 refused, 0 accounts opened.",
        "The picture could not be drawn: the log says why.",
    ]


async def test_a_long_time_is_told_by_the_week(typed, monkeypatch):
    async def nothing(*_):
        return None

    monkeypatch.setattr("bot.commands.stats.paint", nothing)
    lines = (await typed("stats --days 365")).plain().splitlines()
    assert lines[0].startswith("371 days: ")
    assert lines[2] == "Week from (UTC) · Requests · Refused · Accounts"
    assert len(lines) == 3 + 53 + 1
    assert lines[-1] == "Refused requests are kept for 30 days: older ones are missing."
    assert "no number from 1 to 371" in (await typed("stats --days 372")).plain()
