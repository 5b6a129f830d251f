"""Moderators see how the tokens stand and replace them after a leak."""

from datetime import timedelta
from itertools import count

import pytest

from bot.console import Console
from gateway.app import open_desk
from gateway.settings.config import parse
from gateway.store import registrations, tallies, tokens
from gateway.store.audit import Author
from gateway.store.registrations import Request, Status
from tests.bot.conftest import CONFIG
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.continuwuity import LINK, AdminRoom


async def test_the_token_itself_is_shown_only_on_demand(typed, desk, tmp_path):
    assert (await typed("token")).plain() == "No shared token is in force yet."
    await desk.rotation.look()
    value = (tmp_path / "token").read_text().strip()
    assert value not in (await typed("token")).plain()
    assert "works until 2026-11-25 00:00 UTC" in (await typed("token")).plain()
    assert value in (await typed("token --show")).plain()


async def test_a_forced_rotation_says_what_it_did(typed, desk, tmp_path):
    await desk.rotation.look()
    before = (tmp_path / "token").read_text()
    answer = await typed("token rotate")
    assert answer.plain() == "1 outstanding, 1 out of force now, 0 mailed anew."
    assert (tmp_path / "token").read_text() != before


async def test_a_homeserver_that_is_away_is_said(typed, desk, tmp_path):
    await desk.rotation.look()
    (tmp_path / "token").unlink()
    (tmp_path / "token").mkdir()
    answer = await typed("token rotate")
    assert not answer.ok
    assert "could not be taken from the homeserver yet" in answer.plain()


async def test_a_fresh_token_that_is_not_in_force_is_no_success(typed, tmp_path):
    (tmp_path / "token").mkdir()
    answer = await typed("token rotate")
    assert not answer.ok
    assert "could not be put into force yet" in answer.plain()


async def test_a_token_is_made_for_somebody_told_of_and_ended(typed, tmp_path):
    answer = await typed("token issue --for 2d --note 'Ann, from the fair'")
    assert answer.ok
    value = (tmp_path / "token").read_text().split()[0]
    assert answer.plain().splitlines() == [
        f"Token 1: {value}",
        "It opens any number of accounts until 2026-11-26 12:00 UTC.",
        "This homeserver counts no uses: end it by command once it is used.",
        "To end it: token revoke 1",
    ]
    told = (await typed("token")).plain()
    assert "1 · any number of uses · until 2026-11-26 12:00 UTC · by @mod:example.org" in told
    assert ": Ann, from the fair" in told
    assert value not in told
    shown = (await typed("token --show")).plain()
    assert value in shown
    assert "stays in this room's history" in shown
    assert (await typed("token revoke #1")).plain() == (
        "Token 1, given by hand, opens no account any more."
    )
    assert value not in (tmp_path / "token").read_text()
    assert not (await typed(f"token revoke {value}")).ok


async def test_the_shared_token_is_rotated_not_revoked(typed, desk, tmp_path):
    await desk.rotation.look()
    value = (tmp_path / "token").read_text().strip()
    assert "rotate it instead" in (await typed(f"token revoke {value}")).plain()
    assert "no such token" in (await typed("token revoke registration 7")).plain()
    assert "one word too many" in (await typed("token revoke 1 2")).plain()
    assert (tmp_path / "token").read_text().strip() == value


async def test_a_homeserver_that_is_away_gets_the_token_later_and_is_said(typed, tmp_path):
    (tmp_path / "token").mkdir()
    answer = await typed("token issue")
    assert not answer.ok
    assert "it works as soon as it does" in answer.plain()
    assert "not in force yet" in (await typed("token")).plain()
    answer = await typed("token revoke 1")
    assert not answer.ok
    assert "ends as soon as the homeserver answers" in answer.plain()


async def test_a_leak_ends_given_tokens_too(typed):
    await typed("token issue")
    assert "1 of them given by hand" in (await typed("token rotate")).plain()


@pytest.mark.parametrize("uses", ["0", "1001", "-1", "many", "99999999999999999999"])
async def test_uses_are_from_one_to_a_thousand(typed, uses):
    answer = await typed(f"token issue --uses={uses}")
    assert "is no number from 1 to 1000" in answer.plain()
    assert "^^^" in answer.plain()


async def test_own_tokens_are_counted_issued_used_and_open(desk, clock):
    now = clock()

    def make(connection):
        for name in ("ann", "bob", "eve"):
            request = Request(name, f"{name}@x.example", f"{name}@x.example", "::1", "::/64", "en")
            number = registrations.add(
                connection, request, Status.PENDING, now, held_until=now, name_checked=True
            )
            token = tokens.prepare_own(connection, number, name, now, now + timedelta(days=number))
            tokens.issued(connection, token.id, token.value, None, now)
            registrations.mailed(connection, number, token.id, now)
        registrations.registered(connection, 1, now)
        tokens.withdraw(connection, 1, now)

    await desk.database.write(make)
    assert await desk.database.read(lambda c: tallies.own(c, now)) == tallies.Tally(3, 1, 2)
    first = await desk.database.read(lambda c: tallies.next_end(c, now))
    assert first == now + timedelta(days=2)


async def test_a_shared_tokens_mails_are_counted(typed, desk, apply, clock):
    await desk.rotation.look()
    await apply()
    await desk.database.write(lambda c: registrations.mailed(c, 1, 1, clock()))
    told = (await typed("token")).plain()
    assert "Mailed to 1: 0 opened an account, 1 have none yet." in told


async def test_a_fixed_token_is_shown_and_what_cannot_be_done_with_it_is_said(tmp_path, clock):
    fixed = CONFIG.replace("token_file, url", "static, url")
    fixed = fixed.replace("token_file: token}", "static_token: fixedtokenone2}")
    async with open_desk(parse(fixed, tmp_path, {}), clock) as desk:
        await desk.rotation.look()
        console, author = Console(desk), Author("@mod:example.org", "$fixed")
        shown = (await console.type("token --show", author)).plain()
        assert "It does not rotate." in shown and "Token: fixedtokenone2" in shown
        assert "only the homeserver's operator can end it" in shown
        for line, said in (
            ("token rotate", "Nothing was rotated: a homeserver with a static token has it"),
            ("token issue --uses 3", "No token can be made: a homeserver with a static token"),
            ("token revoke 1", "only the homeserver's operator ends it"),
        ):
            answer = await console.type(line, author)
            assert not answer.ok and said in answer.plain(), answer.plain()
        await desk.rotation.look()
        assert "fixedtokenone2" in (await console.type("token --show", author)).plain()


ROOM = """
server_name: example.org
state: state
bans: bans
homeserver: {kind: continuwuity, url: "http://127.0.0.1:1", admin_room: "#admins:example.org",
  timeout: 1s}
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
bot: {user: "@porter:example.org", password: secret, room: "#moderators:example.org"}
"""


@pytest.fixture
async def by_room(tmp_path, clock):
    """A desk whose tokens are commanded in the admin room, what is typed there, and that room."""
    async with open_desk(parse(ROOM, tmp_path, {}), clock) as desk:
        numbers = count(1)

        async def type_line(text):
            author = Author("@mod:example.org", f"$event{next(numbers)}")
            return await Console(desk).type(text, author)

        yield type_line, AdminRoom(desk.database, AdminCommands(link=LINK), clock)


async def test_a_token_of_the_homeservers_own_making_is_told_with_its_page(by_room):
    typed, room = by_room
    async with room.working():
        answer = await typed("token issue")
    (value,) = room.commands.in_force()
    assert answer.ok
    assert answer.plain().splitlines() == [
        f"Token 1: {value}",
        f"A page where it is filled in: {LINK}{value}",
        "It opens one account until 2026-12-01 12:00 UTC.",
        "To end it: token revoke 1",
    ]
    async with room.working():
        assert (await typed(f"token revoke {value}")).ok
    assert room.commands.in_force() == set()


async def test_a_token_that_the_room_has_not_made_yet_has_no_value_to_show(by_room):
    typed, room = by_room
    answer = await typed("token issue")
    assert not answer.ok
    assert answer.plain().splitlines() == [
        "Token 1 is asked for in the homeserver's admin room.",
        "It opens one account until 2026-12-01 12:00 UTC.",
        "It is not there yet; then it stands in token --show.",
        "To end it: token revoke 1",
    ]
    told = (await typed("token --show")).plain()
    assert "not in force yet" in told and "There is none to show" in told
    assert (await typed("token revoke 1")).ok
    await room.turn()
    assert room.given.count("!admin token issue --once") == 0
