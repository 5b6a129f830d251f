"""A typed line becomes an answer, whatever was typed."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from bot.console import split


def test_a_pattern_keeps_its_backslashes_and_quotation_marks_hold_words_together():
    assert split(r"ban name ^free\d+\.x --reason 'two words' #1") == [
        *("ban", "name", r"^free\d+\.x", "--reason", "two words", "#1")
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stauts", "Did you mean status?"),
        ("frobnicate", "There is no command frobnicate."),
        ("token rotat", "Did you mean 'rotate'?"),
        ("ban 'x", "A quotation mark is not closed."),
    ],
)
async def test_a_slip_is_answered_with_the_nearest(typed, line, words):
    answer = await typed(line)
    assert not answer.ok
    assert words in answer.plain()


async def test_a_database_that_is_away_is_one_sentence(typed, desk, monkeypatch):
    async def away(work):
        raise OperationalError("select", {}, Exception("disk I/O error"))

    monkeypatch.setattr(desk.database, "read", away)
    answer = await typed("log")
    assert not answer.ok
    assert answer.plain() == "The database cannot be used now, so nothing was done."


async def test_ban_files_that_cannot_be_written_are_one_sentence(typed, desk):
    desk.bans.folder.rmdir()
    desk.bans.folder.touch()
    answer = await typed("ban @a.example")
    assert not answer.ok
    assert answer.plain().startswith("Nothing was done: ")


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    command=st.sampled_from(
        ["ban", "unban", "bans", "test", "registrations", "registration", "resend", "log", "help"]
    ),
    rest=st.text(max_size=40),
)
async def test_whatever_is_typed_gets_an_answer(typed, command, rest):
    answer = await typed(f"{command} {rest}")
    assert answer.plain()
    assert "\n\n" not in answer.html()
