"""A moderator bans, looks, asks and lifts."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.rules.bans import Kind, format_time


async def test_a_ban_is_in_force_and_stands_in_its_file(desk, typed, apply):
    answer = await typed("ban email @spam.example --for 7d --reason 'throw-away addresses'")
    assert answer.ok
    assert answer.plain() == (
        "Banned email @spam.example until 2026-12-01 12:00 UTC: throw-away addresses"
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


async def test_a_block_is_pasted_from_a_list(desk, typed):
    answer = await typed(
        """ban 203.0.113.7, 198.51.100.0/24  # two, "from
# a comment line, 192.0.2.1
2001:db8::1   # don't know # whom
@a.example,@b.example
2001:DB8::1"""
    )
    assert answer.ok
    assert [ban.value for ban in await desk.bans.search()] == [
        "203.0.113.7",
        "198.51.100.0/24",
        "2001:db8::1",
        "@a.example",
        "@b.example",
    ]
    assert (await typed("unban 203.0.113.7 # once\n@a.example")).ok
    assert len(desk.bans.book) == 3


async def test_of_a_long_list_the_first_are_told_and_the_advice_stays_in_sight(desk, typed):
    block = "\n".join(f"203.0.113.{number}" for number in range(200))
    answer = await typed(f"ban {block}")
    assert len(desk.bans.book) == 200
    assert answer.plain().splitlines()[-2:] == [
        "… and 170 more.",
        "Several of these are neighbours: --network bans 203.0.113.0/24",
    ]


async def test_a_list_may_stand_in_one_word(desk, typed):
    answer = await typed('ban "203.0.113.7 # one, two\n# three\n@a.example, a#b@c.example"')
    assert answer.ok
    found = [ban.value for ban in await desk.bans.search()]
    assert found == ["203.0.113.7", "@a.example", "a#b@c.example"]


async def test_every_bad_value_is_named_and_nothing_is_banned(desk, typed):
    answer = await typed("ban 203.0.113.7\n198.51.100.x\nnmae\nann@@example.net")
    assert not answer.ok
    lines = answer.plain().splitlines()
    assert lines[0] == "Nothing was banned."
    assert len(lines) == 4
    assert "ban name 198.51.100.x" in lines[1]
    assert "ban name nmae" in lines[2]
    assert "'ann@@example.net' is no e-mail address" in lines[3]
    assert len(desk.bans.book) == 0
    answer = await typed("ban ip 198.51.100.x 198.51.100.0/33")
    assert len(answer.plain().splitlines()) == 3


async def test_a_reason_may_begin_with_a_number_sign(desk, typed):
    assert (await typed("ban @a.example --reason #12 # a ticket")).ok
    assert (await typed("ban @b.example --reason='see #13' # a ticket")).ok
    assert [ban.reason for ban in await desk.bans.search()] == ["#12", "see #13"]


async def test_a_mark_in_one_line_brings_nothing_back_from_behind_a_number_sign(desk, typed):
    assert not (await typed('ban " @a.example\n # # " @b.example')).ok
    assert len(desk.bans.book) == 0


_VALUES = st.sampled_from(["203.0.113.7", "@a.example", "ann@example.net", "2001:db8::/48"])


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.lists(
        st.one_of(_VALUES, st.text(max_size=12), st.sampled_from(["#", ",", "\n", "  # x", '"']))
    )
)
async def test_a_pasted_block_bans_only_what_is_written_in_it(desk, typed, parts):
    before = {ban.value for ban in await desk.bans.search()}
    block = " ".join(parts)
    assert (await typed(f"ban {block}")).plain()
    # Within quotes a # begins no remark; what stands after it is written there then.
    is_quoted = '"' in block or "'" in block
    lines = block.split("\n")
    seen = "\n".join(line if is_quoted else line.partition("#")[0] for line in lines).casefold()
    for ban in await desk.bans.search():
        if ban.value not in before:
            assert ban.value.strip("@").partition("/")[0] in seen, (ban, block)
            await typed(f"unban {ban.kind} {ban.value}")


async def test_a_ban_ends_when_it_was_told_to(desk, typed):
    assert (await typed("ban @a.example --until 2026-12-01")).ok
    assert (await typed("ban @b.example --until 2026-12-01T12:30")).ok
    assert [format_time(ban.until) for ban in await desk.bans.search()] == [
        "2026-12-01T00:00Z",
        "2026-12-01T12:30Z",
    ]
    assert "is over" in (await typed("ban @c.example --until 2026-11-24")).plain()
    assert "'soon' is no time" in (await typed("ban @c.example --until soon")).plain()
    answer = await typed("ban @c.example --until 2027-01-01 --for 7d")
    assert "exclude each other" in answer.plain()
    assert len(desk.bans.book) == 2


async def test_a_review_line_asks_for_a_look(desk, typed):
    answer = await typed("ban @a.example --review --reason 'many of them'")
    assert "Banned email @a.example for review: many of them" in answer.plain()
    assert desk.bans.path(Kind.EMAIL).read_text().startswith("@a.example  # review | by @mod")


async def test_a_dry_run_says_what_it_would_do_and_does_nothing(desk, typed):
    await typed("ban @a.example")
    answer = await typed("ban @a.example 203.0.113.7 --for 7d --dry-run")
    assert answer.ok
    assert "Would ban ip 203.0.113.7 until 2026-12-01 12:00 UTC" in answer.plain()
    assert "1 of them is banned already" in answer.plain()
    assert len(desk.bans.book) == 1
    assert "203.0.113.7" not in (await typed("log")).plain()


async def test_single_addresses_are_rolled_up_to_their_networks(desk, typed):
    answer = await typed("ban 203.0.113.7 203.0.113.9 198.51.100.1 2001:db8::1 --dry-run")
    assert answer.plain().splitlines()[-1] == (
        "Several of these are neighbours: --network bans 203.0.113.0/24"
    )
    answer = await typed("ban 203.0.113.7 203.0.113.9 2001:db8::1 @a.example --network")
    assert answer.ok
    assert "neighbours" not in answer.plain()
    assert [ban.value for ban in await desk.bans.search()] == [
        "203.0.113.0/24",
        "2001:db8::/64",
        "@a.example",
    ]


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
        ("ban", "Missing: "),
        ("ban @a.example --for soon", "'soon' is no span of time"),
        ("ban @a.example --for 0s", "is no time at all"),
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


async def test_a_domain_without_its_at_sign_is_told_how_it_is_written(desk, typed):
    answer = await typed("ban mail.spam.example")
    assert not answer.ok and "for a domain write: ban @mail.spam.example" in answer.plain()
    assert "for a domain" not in (await typed("ban 203.0.113.300")).plain()
    assert len(desk.bans.book) == 0


async def test_a_ban_twice_is_one_ban(desk, typed):
    await typed("ban @a.example")
    answer = await typed("ban @A.example --for 7d")
    assert answer.plain() == "This is banned already, for as long or longer."
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
