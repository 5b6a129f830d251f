"""Moderators write notes for each other."""

import pytest


async def test_a_note_on_a_registration_stands_in_its_story_and_in_the_log(typed, apply):
    await apply()
    assert (await typed("note #1 wrote us a nice letter")).plain() == "Noted on registration 1."
    assert (await typed('note 1 "and a second"')).ok
    story = (await typed("registration 1")).plain()
    assert "Note by @mod:example.org at 2026-11-24 12:00 UTC: wrote us a nice letter" in story
    assert "and a second" in story
    assert "note registration 1 → and a second" in (await typed("log")).plain()


async def test_a_note_on_a_ban_is_seen_with_the_ban(typed):
    await typed("ban 203.0.113.0/24 @a.example")
    await typed("ban name ^free")
    assert (await typed("note 203.0.113.0/24 a school")).ok
    assert (await typed("note @A.example theirs")).ok
    assert (await typed("note name ^free an old joke")).ok
    assert "a school" in (await typed("test 203.0.113.9")).plain()
    assert "an old joke" in (await typed("bans name")).plain()
    await typed("unban @a.example")
    assert (await typed("note @a.example still of use")).ok


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("note 9 x", "There is no registration 9."),
        ("note 203.0.113.7 x", "There is no ip ban on 203.0.113.7."),
        ("note 9", "needs a subject and a text"),
        ("note name", "needs a subject and a text"),
        ("note nmae x", "note name nmae TEXT"),
    ],
)
async def test_a_note_on_nothing_is_refused(typed, line, words):
    assert (await typed("log")).plain() == "Nothing was done yet."
    answer = await typed(line)
    assert not answer.ok
    assert words in answer.plain()
    assert (await typed("log")).plain() == "Nothing was done yet."


async def test_a_note_has_an_end(typed, apply):
    await apply()
    assert "1 to 1000 characters" in (await typed(f"note 1 {'x' * 1001}")).plain()
