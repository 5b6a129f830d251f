"""A ban that hits whom it should not shows them, and asks first."""

import aiohttp
import yaml

from bot.console import Console
from gateway.app import open_desk
from gateway.rules.bans import format_line
from gateway.settings.config import parse
from gateway.store import registrations
from gateway.store.audit import Author
from tests.bot.conftest import CONFIG


async def test_a_wide_ban_is_asked_for_and_given_after_a_yes(desk, typed):
    answer = await typed("ban 10.0.0.0/8 @spam.example --for 7d --reason '- to be sure' --review")
    assert answer.asks and not answer.ok
    assert answer.plain().splitlines()[:2] == [
        "These would hit:",
        "Special ranges: 10.0.0.0/8 (private)",
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
    assert "Special ranges: 10.0.0.0/8 (private)" in answer.plain()
    assert "This hits nobody who registered well within 90 days." in answer.plain()
    assert "1 open request is hit: 1." in answer.plain()
    assert not (await typed("confirm 1")).ok


async def test_a_ban_offers_to_reject_the_open_requests_that_it_hits(desk, typed, apply):
    await apply()
    await apply("bob", "bob@example.net", "198.51.100.1")
    await apply("eve", "eve@elsewhere.example", "192.0.2.1")
    answer = await typed("ban @example.net")
    assert answer.ok and not answer.asks
    assert answer.offers == (("✅", "confirm 1"), ("❌", "cancel 1"))
    assert answer.plain().splitlines()[1:3] == [
        "2 open requests are hit: 2, 1.",
        "I can reject these 2.",
    ]
    assert (await typed("confirm 1")).ok
    assert [await _status(desk, number) for number in (1, 2, 3)] == [
        "rejected",
        "rejected",
        "pending",
    ]
    assert (await typed("ban 198.51.100.1")).offers == ()
    assert (await typed("undo")).plain().count("is taken back") == 1


async def test_a_line_for_review_rejects_nobody(typed, apply):
    await apply()
    assert (await typed("ban @example.net --review")).offers == ()


async def test_of_many_requests_only_the_first_are_named(desk, typed, apply):
    for number in range(25):
        await apply(f"ann{number}", f"ann{number}@example.net", f"198.51.{number}.1")
    answer = await typed("ban @example.net")
    assert ", 7, 6 and 5 more." in answer.plain()
    assert "I can reject these 25." in answer.plain()
    assert (await typed("confirm 1")).ok
    assert await _status(desk, 1) == "rejected"


async def _status(desk, number):
    return (await desk.database.read(lambda c: registrations.get(c, number))).status


async def test_a_moderator_who_would_ban_himself_is_asked(synapse, tmp_path):
    admin = await synapse.register_user("self-admin", "pass-word-1", admin=True)
    member = await synapse.register_user("self-moderator", "pass-word-1")
    headers = {"Authorization": f"Bearer {member}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{synapse.url}/_matrix/client/v3/sync") as answer,
    ):
        assert answer.status == 200
    config = yaml.safe_load(CONFIG) | {
        "server_name": "porter.localhost",
        "homeserver": {"kind": "synapse", "url": synapse.url, "admin_token": admin},
    }
    async with open_desk(parse(yaml.safe_dump(config), tmp_path, {})) as desk:
        author = Author("@self-moderator:porter.localhost", "$ban")
        answer = await Console(desk).type("ban 127.0.0.0/16", author)
        assert answer.asks
        assert "Your own network: 127.0.0.0/24" in answer.plain()
        assert "Our own server 127.0.0.1: 127.0.0.1" in answer.plain()
