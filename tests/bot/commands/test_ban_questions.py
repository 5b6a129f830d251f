"""A ban that hits whom it should not shows them, and asks first."""

from bot.commands.table import table
from gateway.rules.bans import format_line


async def test_a_wide_ban_is_asked_for_and_given_after_a_yes(desk, typed):
    answer = await typed("ban 10.0.0.0/8 @spam.example --for 7d --reason '- to be sure' --review")
    assert answer.asks and not answer.ok
    assert answer.plain().splitlines()[:2] == [
        "These would hit:",
        "A special range: 10.0.0.0/8 (private)",
    ]
    assert answer.offers == (("✅", "confirm 1"), ("❌", "cancel 1"))
    assert len(desk.bans.book) == 0
    answer = await typed("confirm 1", "@other:example.org")
    assert answer.ok
    assert [format_line(ban) for ban in await desk.bans.search()] == [
        f"{value}  # review | until 2026-12-01T12:00Z | by @other:example.org"
        " | 2026-11-24T12:00Z | - to be sure"
        for value in ("10.0.0.0/8", "@spam.example")
    ]


async def test_a_no_leaves_it(desk, typed):
    await typed("ban @gmail.com --until 2027-01-01")
    assert (await typed("cancel 1")).ok
    assert not (await typed("confirm 1")).ok
    assert len(desk.bans.book) == 0


async def test_the_question_keeps_the_end_and_the_kind(desk, typed):
    await typed("ban email @gmail.com --until 2027-01-01")
    assert (await typed("confirm 1")).ok
    (ban,) = await desk.bans.search()
    assert (ban.value, f"{ban.until:%Y-%m-%d}") == ("@gmail.com", "2027-01-01")


async def test_yes_skips_the_question(desk, typed):
    assert (await typed("ban 10.0.0.1 --yes")).ok
    assert len(desk.bans.book) == 1


async def test_a_name_pattern_that_hits_everybody_is_shown_with_whom(desk, typed, apply):
    await apply()
    await desk.database.write(
        lambda c: c.exec_driver_sql("UPDATE registrations SET status = 'registered'")
    )
    answer = await typed("ban name -- ^-?a")
    assert answer.asks
    assert "1 of the last 1 who registered well: ann" in answer.plain()
    assert (await typed("confirm 1")).ok
    assert [ban.value for ban in await desk.bans.search()] == ["^-?a"]


async def test_a_dry_run_says_whom_it_would_hit(desk, typed, apply):
    await apply()
    answer = await typed("ban 203.0.113.0/24 10.0.0.1 --dry-run")
    assert answer.ok and not answer.asks
    assert "A special range: 10.0.0.0/8 (private)" in answer.plain()
    assert "It would hit 0 of the last 0 who registered well within 90 days." in answer.plain()
    assert "confirm" in table.commands and not (await typed("confirm 1")).ok
