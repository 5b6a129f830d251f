"""A typed line becomes an answer, whatever was typed."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import OperationalError

from bot.commands.table import table
from bot.console import split
from gateway.rules.bans import Kind


def test_a_pattern_keeps_its_backslashes_and_quotation_marks_hold_words_together():
    assert split(r"ban name ^free\d+\.x --reason 'two words' #1") == [
        *("ban", "name", r"^free\d+\.x", "--reason", "two words", "#1")
    ]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ban “free money” --reason ‘two words’", ["ban", "free money", "--reason", "two words"]),
        ("ban x —for 7d –-reason=„it is“", ["ban", "x", "--for", "7d", "--reason=it is"]),
        ("x --reason it's 'it's so' it’s", ["x", "--reason", "it's", "it's so", "it’s"]),
        ("ban\u00a0ip\n192.0.2.1\n192.0.2.2", ["ban", "ip", "192.0.2.1", "192.0.2.2"]),
        ("""a"b "" '—x' –""", ['a"b', "", "—x", "–"]),
    ],
)
def test_what_a_telephone_makes_of_a_line_is_understood(line, words):
    assert split(line) == words


async def test_capitals_do_not_matter_in_commands_and_options(typed):
    assert (await typed("Ban Email @a.example --For 7d")).ok
    assert (await typed("Help TOKEN Rotate")).plain() == (await typed("help token rotate")).plain()
    assert (await typed("Registrations --status Pending")).ok


async def test_one_message_is_one_command(typed, desk):
    answer = await typed("ban name ^free\n!porter ban name ^cheap")
    assert not answer.ok
    assert "One message is one command" in answer.plain()
    assert len(desk.bans.book) == 0


async def test_help_is_asked_for_in_the_middle_of_a_command(typed):
    assert (await typed("ban name --help")).plain() == (await typed("help ban")).plain()
    assert (await typed("token rotate -h")).plain() == (await typed("help token rotate")).plain()
    assert (await typed("ban name -- -h")).plain().startswith("Banned name -h")


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (
            "registrations --status lost --full",
            [
                "registrations --status lost --full",
                "                       ^^^^",
                "'lost' is not one of",
                "Usage: registrations [OPTIONS] [TEXT]",
            ],
        ),
        (
            "pause --fro 2h",
            [
                "pause --fro 2h",
                "      ^^^^^",
                "No such option --fro. Did you mean --for?",
                "Usage: pause [OPTIONS]",
            ],
        ),
        (
            "Regs a --since=soon b",
            ["Regs a --since=soon b", "       ^^^^^^^^^^^^", "'soon' is no time", "Usage: reg"],
        ),
        (
            "pause right now",
            [
                "pause right now",
                "      ^^^^^",
                "2 words too many: right now",
                "Usage: pause [OPTIONS]",
            ],
        ),
        ("reg", ["reg", "    ^", "Missing: ID", "Usage: registration [OPTIONS] ID"]),
        (
            "pause --for",
            ["pause --for", "      ^^^^^", "Option '--for' requires an argument.", "Usage: pause"],
        ),
        (
            "registration 漢字 --full",
            ["registration 漢字 --full", "             ^^^^", "'漢字' is no number", "Usage: reg"],
        ),
        (
            "token 'rot ate' --show",
            [
                'token "rot ate" --show',
                "      ^^^^^^^^^",
                "There is no command rot ate. Did you mean rotate?",
                "Usage: token [OPTIONS] [issue|revoke|rotate]",
            ],
        ),
        (
            "regists x",
            [
                "regists x",
                "^^^^^^^",
                "There is no command regists. Did you mean registrations?",
                "All commands: help",
            ],
        ),
    ],
)
async def test_a_mistake_is_pointed_at(typed, line, answer):
    said = await typed(line)
    assert not said.ok
    lines = said.plain().splitlines()
    assert len(lines) == len(answer)
    assert lines[:2] == answer[:2]
    assert all(map(str.startswith, lines, answer))
    assert said.html().startswith("<pre><code>")


async def test_a_long_line_is_cut_around_its_mistake(typed):
    said = await typed(f"ban {' '.join(['@a.example'] * 40)} --for soon {'@b.example ' * 40}")
    line, carets, *_ = said.plain().splitlines()
    assert line.startswith("…")
    assert line[carets.index("^") :].startswith("soon")
    assert len(line) < 80


async def test_half_a_character_is_no_accident(typed):
    assert (await typed("registrations \ud800")).ok


async def test_the_nearest_name_may_be_another_name_of_a_command(typed):
    assert "Did you mean registrations?" in (await typed("reqests")).plain()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("stauts", "Did you mean status?"),
        ("frobnicate", "There is no command frobnicate."),
        ("token rotat", "Did you mean rotate?"),
        ("ban 'x", "A quotation mark is not closed."),
        ("test", "Usage: test [ip|email|name] VALUE"),
        ("pause now", "\nUsage: pause [OPTIONS]"),
        ("resume now", "\nUsage: resume"),
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
    assert answer.plain().startswith("Not done, or not in full: the database cannot be used now.")


@pytest.mark.parametrize(("writes", "banned"), [(0, 0), (1, 1)])
async def test_a_ban_that_only_its_file_knows_is_not_denied(
    typed, desk, monkeypatch, writes, banned
):
    write = desk.database.write

    async def away(work):
        nonlocal writes
        if not writes:
            raise OperationalError("insert", {}, Exception("database is locked"))
        writes -= 1
        return await write(work)

    monkeypatch.setattr(desk.database, "write", away)
    answer = await typed("ban @a.example")
    assert not answer.ok
    assert len(desk.bans.book) == banned
    assert "not in full" in answer.plain()


async def test_ban_files_that_cannot_be_written_are_one_sentence(typed, desk):
    desk.bans.folder.rmdir()
    desk.bans.folder.touch()
    answer = await typed("ban @a.example")
    assert not answer.ok
    assert answer.plain().startswith("Not done, or not in full: ")


async def test_what_was_done_before_a_file_failed_is_in_the_log(typed, desk):
    desk.bans.path(Kind.IP).mkdir(parents=True)
    answer = await typed("ban @a.example 203.0.113.7")
    assert answer.plain().startswith(f"Not done, or not in full: {desk.bans.path(Kind.IP)}, ")
    assert len(desk.bans.book) == 1
    assert "ban email @a.example" in (await typed("log")).plain()


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    command=st.sampled_from([*table.names(), "", "token rotate", "frobnicate"]),
    rest=st.lists(
        st.one_of(
            st.text(max_size=20),
            st.integers(0, 10**20).map(str),
            st.sampled_from(["--full", "--for", "--since", "7d", "--=", "--", "-", "'", "ip"]),
        ),
        max_size=4,
    ).map(" ".join),
)
async def test_whatever_is_typed_gets_an_answer(typed, command, rest):
    answer = await typed(f"{command} {rest}")
    assert answer.plain()
    assert "\n\n" not in answer.html()
