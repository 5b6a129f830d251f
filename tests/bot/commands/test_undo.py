"""A moderator takes back what was done: once, and not over somebody else's head."""

from datetime import timedelta

import pytest

from gateway.rules.bans import Kind
from gateway.store.audit import Author

OTHER = "@other:example.org"


async def test_the_last_ban_is_taken_back_whole(desk, typed):
    await typed("ban @kept.example")
    await typed("ban @a.example 203.0.113.7 --reason both")
    await typed("ban @b.example", OTHER)
    answer = await typed("undo")
    assert answer.ok
    assert answer.plain().splitlines() == [
        "Entry 2 is taken back (entry 5): email @a.example is no longer banned.",
        "Entry 3 is taken back (entry 6): ip 203.0.113.7 is no longer banned.",
    ]
    assert [ban.value for ban in await desk.bans.search()] == ["@kept.example", "@b.example"]
    assert "Taken back in entry 5 by @mod:example.org." in (await typed("log 2")).plain()
    assert "@kept.example is no longer banned" in (await typed("undo")).plain()
    assert "You did nothing that could be taken back" in (await typed("undo")).plain()


async def test_a_lifted_ban_comes_back_as_it_was(desk, typed, clock):
    await typed("ban @a.example --for 7d --reason 'why not'", OTHER)
    before = desk.bans.path(Kind.EMAIL).read_text()
    clock.turn(timedelta(hours=1))
    await typed("unban @a.example")
    assert (await typed("undo")).ok
    assert desk.bans.path(Kind.EMAIL).read_text() == before


async def test_an_undo_can_be_undone_and_nothing_twice(desk, typed):
    await typed("ban @a.example")
    await typed("undo 1")
    answer = await typed("undo 1", OTHER)
    assert not answer.ok
    assert answer.plain() == ("Entry 1 was taken back already, by @mod:example.org in entry 2.")
    answer = await typed("undo 2")
    assert answer.plain() == "Entry 2 is taken back (entry 3): email @a.example is banned again."
    assert len(await desk.bans.search()) == 1
    assert not (await typed("undo 2")).ok
    assert (await typed("undo 3")).ok
    assert await desk.bans.search() == []


async def test_what_somebody_changed_since_is_left_alone(desk, typed):
    await typed("ban @a.example")
    await typed("unban @a.example", OTHER)
    answer = await typed("undo 1")
    assert not answer.ok
    assert answer.plain() == (
        "Entry 1 is left alone: email @a.example was changed since,"
        " by @other:example.org in entry 2 (unban)."
    )
    await typed("ban @a.example --reason again", OTHER)
    assert "in entry 3 (ban)" in (await typed("undo 2")).plain()
    desk.bans.path(Kind.EMAIL).write_text("")
    assert "was changed since, by hand." in (await typed("undo 3")).plain()


async def test_a_ban_whose_time_is_over_does_not_come_back(typed, clock):
    await typed("ban @a.example --for 1h")
    await typed("unban @a.example")
    clock.turn(timedelta(hours=2))
    assert (await typed("undo")).plain() == "The time of the ban in entry 2 is over."


async def test_a_pause_and_its_end_are_taken_back(typed, apply, clock):
    await typed("pause --for 2h --message 'moving: house'")
    assert "the desk is open." in (await typed("undo")).plain()
    assert await apply() == ()
    assert (await typed("undo 2")).ok
    assert "closed until 2026-11-24 14:00 UTC: moving: house" in (await typed("status")).plain()
    await typed("pause --message short", OTHER)
    assert "is left alone: the desk is paused: short now" in (await typed("undo 3")).plain()
    await typed("resume", OTHER)
    assert (await typed("undo", OTHER)).ok
    assert "until somebody resumes it: short" in (await typed("status")).plain()
    await typed("pause --for 1h")
    await typed("resume")
    clock.turn(timedelta(hours=2))
    assert "would be over by now" in (await typed("undo")).plain()


@pytest.mark.parametrize(
    ("line", "words"),
    [("token rotate", "known to the homeserver no more"), ("note 1 x", "notes are never deleted")],
)
async def test_what_cannot_be_taken_back_says_why(typed, apply, line, words):
    await apply()
    await typed(line)
    answer = await typed("undo 1")
    assert not answer.ok
    assert words in answer.plain()
    assert (await typed("undo 9")).plain() == "There is no entry 9."


async def test_a_decision_is_taken_back_and_given_again(desk, typed, apply):
    await apply()
    await apply("bob", "bob@example.net", "198.51.100.1")
    author = Author("@mod:example.org", "$decision")
    await desk.reviews.reject_all(author, [1, 2], "too many")
    answer = await typed("undo")
    assert answer.plain().splitlines() == [
        "Entry 1 is taken back (entry 3): registration 1 is under review again.",
        "Entry 2 is taken back (entry 4): registration 2 is under review again.",
    ]
    assert (await typed("undo 3")).plain() == "Taken back (entry 5): registration 1 is rejected."
    assert "reject registration 1 review → rejected: too many" in (await typed("log")).plain()
    assert "is left alone: registration 1 was changed since" in (await typed("undo 3")).plain()
    await desk.reviews.approve(author, 2)
    assert (await typed("undo 6", OTHER)).ok
    assert "Registration 2: review" in (await typed("registration 2")).plain()
    await desk.reviews.reopen(author, 1)
    await desk.database.write(
        lambda c: c.exec_driver_sql("UPDATE registrations SET status = 'registered' WHERE id = 1")
    )
    assert not (await typed("undo 8")).ok


async def test_a_mute_and_its_end_are_taken_back(typed, clock):
    await typed("mute burst --for 1h")
    await typed("mute burst", OTHER)
    assert "is left alone: burst is muted now" in (await typed("undo")).plain()
    answer = await typed("undo", OTHER)
    assert "alert burst is muted until 2026-11-24T13:00Z." in answer.plain()
    await typed("unmute burst")
    assert "Muted: burst" not in (await typed("alerts")).plain()
    assert (await typed("undo")).ok
    assert "Muted: burst until 2026-11-24 13:00 UTC" in (await typed("alerts")).plain()
    await typed("unmute burst")
    clock.turn(timedelta(hours=2))
    assert "would be over by now" in (await typed("undo")).plain()
