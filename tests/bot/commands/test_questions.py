"""A yes that comes too late, or twice, is told why nothing happens."""

from datetime import timedelta

from gateway.rules.bans import Kind
from gateway.store import questions
from gateway.store.audit import Author


async def asked(desk):
    author = Author("@mod:example.org", "$asked")
    words = ("ban", "192.0.2.1")
    return await desk.database.write(lambda c: questions.ask(c, author, words, desk.clock()))


async def test_a_question_that_is_answered_says_when(desk, typed):
    await asked(desk)
    assert (await typed("cancel 1")).ok
    second = await typed("confirm 1", "@other:example.org")
    assert "Question 1 was answered already, at 2026-11-24 12:00 UTC." in second.plain()
    assert not second.ok and not desk.bans.book.holds(Kind.IP, "192.0.2.1")


async def test_a_question_of_yesterday_is_given_anew(desk, typed, clock):
    await asked(desk)
    clock.turn(timedelta(days=1))
    late = await typed("confirm 1")
    assert "Question 1 was asked more than a day ago: give its command again." in late.plain()
    assert "There is no question 2." in (await typed("confirm 2")).plain()
