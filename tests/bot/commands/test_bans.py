"""A moderator bans, looks, asks and lifts."""

from datetime import timedelta

import pytest

from gateway.rules.bans import Kind


async def test_a_ban_is_in_force_and_stands_in_its_file(desk, typed, apply):
    answer = await typed("ban email @spam.example --for 7d --reason 'throw-away addresses'")
    assert answer.ok
    assert answer.plain() == (
        "Banned email @spam.example until 2026-12-01 12:00 UTC by @mod:example.org"
        " at 2026-11-24 12:00 UTC: throw-away addresses"
    )
    assert [each.code for each in await apply(email="x@mail.spam.example")] == ["email_banned"]
    assert desk.bans.path(Kind.EMAIL).read_text() == (
        "@spam.example  # until 2026-12-01T12:00Z | by @mod:example.org | 2026-11-24T12:00Z"
        " | throw-away addresses\n"
    )


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("ban ip 203.0.113.0/24", "network_banned"),
        ("ban 203.0.113.7", "network_banned"),
        ("ban ANN@example.net", "email_banned"),
        ("ban email a*@example.net", "email_banned"),
        (r"ban name ^a\w+$", "name_banned"),
    ],
)
async def test_each_kind_refuses_the_next_request(typed, apply, line, code):
    assert (await typed(line)).ok
    assert [each.code for each in await apply()] == [code]


async def test_several_values_are_banned_or_none(desk, typed):
    answer = await typed("ban @a.example 203.0.113.7 @b.example")
    assert answer.ok
    assert len(desk.bans.book) == 3
    answer = await typed("ban ip 198.51.100.7 198.51.100.x")
    assert not answer.ok
    assert "'198.51.100.x' is no address or network" in answer.plain()
    assert len(desk.bans.book) == 3


async def test_a_word_is_not_guessed_to_be_a_name_pattern(desk, typed):
    answer = await typed("ban nmae")
    assert not answer.ok
    assert "ban name nmae" in answer.plain()
    assert len(desk.bans.book) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("ban name (", "'(' is no pattern"),
        ("ban ip", "A value is missing"),
        ("ban", "Missing argument"),
        ("ban @a.example --for soon", "'soon' is no span of time"),
        ("ban @a.example --for 0s", "longer than nothing"),
        ("ban @a.example --fro 7d", "No such option"),
        ("ban name ^free --reason too many", "a reason of several words in quotation marks"),
        ("ban name ^free --reason=too many", "a reason of several words in quotation marks"),
        ("ban email mailto:ann@example.net", "is no e-mail address"),
        ("ban name .+", "is found in every name there is"),
    ],
)
async def test_a_mistake_gets_a_sentence_and_changes_nothing(desk, typed, line, words):
    answer = await typed(line)
    assert not answer.ok
    assert words in answer.plain()
    assert len(desk.bans.book) == 0


async def test_a_ban_twice_is_one_ban(desk, typed):
    await typed("ban @a.example")
    answer = await typed("ban @A.example --for 7d")
    assert answer.plain() == "1 banned already, for as long or longer."
    assert len(await desk.bans.search()) == 1


async def test_a_reason_cannot_write_a_line_of_its_own(desk, typed):
    await typed('ban @a.example --reason "x\n@b.example"')
    (only,) = await desk.bans.search()
    assert only.reason == "x @b.example"
    assert len(desk.bans.path(Kind.EMAIL).read_text().splitlines()) == 1


async def test_a_lifted_ban_is_gone(desk, typed, apply):
    await typed("ban 203.0.113.0/24 --reason x")
    answer = await typed("unban 203.0.113.0/24")
    assert answer.ok
    assert answer.plain().startswith("Lifted ip 203.0.113.0/24 by @mod:example.org")
    assert await apply() == ()
    assert not (await typed("unban 203.0.113.0/24")).ok


async def test_several_bans_are_lifted_or_none(desk, typed):
    await typed("ban 203.0.113.7 @a.example")
    answer = await typed("unban email @a.example nobody")
    assert not answer.ok
    assert "'nobody' is no e-mail address" in answer.plain()
    assert len(desk.bans.book) == 2


async def test_bans_are_listed_and_searched(typed):
    assert (await typed("bans")).plain() == "No ban."
    await typed("ban @a.example --reason first")
    await typed("ban 203.0.113.7 --reason second")
    assert "2 bans, newest first" in (await typed("bans")).plain()
    assert "203.0.113.7" not in (await typed("bans first")).plain()
    assert "@a.example" not in (await typed("bans ip")).plain()
    assert (await typed("bans name")).plain() == "No ban."
    assert "'ipx' is no kind of ban" in (await typed("bans ipx second")).plain()


async def test_the_newest_ban_of_any_kind_stands_first(desk, typed, clock):
    desk.bans.folder.mkdir(exist_ok=True)
    desk.bans.path(Kind.NAME).write_text("".join(f"^spam{number}$\n" for number in range(60)))
    await desk.bans.refresh()
    await typed("ban ip 203.0.113.7")
    clock.turn(timedelta(minutes=1))
    await typed("ban @a.example")
    lines = (await typed("bans")).plain().splitlines()
    assert lines[0] == "62 bans, newest first"
    assert [line.split()[1] for line in lines[1:4]] == ["@a.example", "203.0.113.7", "^spam59$"]
    assert lines[-1] == "… 12 more: say what to look for."


async def test_a_value_is_tried_against_the_bans(typed, clock):
    await typed("ban 203.0.113.0/24 --for 1h --reason proxies")
    assert "proxies" in (await typed("test ip 203.0.113.9")).plain()
    assert (await typed("test ip 203.0.114.9")).plain() == "No ban hits 203.0.114.9."
    assert (await typed("test email ann@example.net")).ok
    assert (await typed("test name ann")).ok
    clock.turn(timedelta(hours=1))
    assert (await typed("test ip 203.0.113.9")).plain() == "No ban hits 203.0.113.9."
    assert not (await typed("test ip ann")).ok
