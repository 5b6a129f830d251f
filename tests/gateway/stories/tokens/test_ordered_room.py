"""An order waits for the bot, its reply reaches whoever asked, and mails wait without failing."""

import asyncio
from datetime import timedelta

import pytest

from gateway.homeserver.homeserver import (
    HomeserverError,
    NameAvailability,
    NotYet,
    Restriction,
    Token,
    Unable,
)
from gateway.homeserver.room_accounts import RoomAccounts
from gateway.homeserver.room_commands import CONTINUWUITY, TUWUNEL
from gateway.homeserver.room_server import RoomServer
from gateway.homeserver.room_tokens import RoomTokens
from gateway.store import orders, tokens
from gateway.store.audit import Author
from gateway.stories.tokens.ordered_room import OrderedRoom
from tests.gateway.conftest import ToldNames, text_of, until
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.continuwuity import LINK, AdminRoom
from tests.stand_ins.person import Person

ASK = "!admin token issue --once"
BRIEF = timedelta(seconds=0.3)
MOD = Author("@mod:example.org", "$command")


def server_of(room, dialect=CONTINUWUITY, names=None, clock=None):
    tokens = RoomTokens(room, dialect, clock=clock) if clock else RoomTokens(room, dialect)
    names = names or ToldNames()
    return RoomServer(dialect, tokens, RoomAccounts(room, dialect, names, "example.org"), names)


@pytest.fixture
async def database(open_house):
    return (await open_house()).database


@pytest.fixture
def commands():
    return AdminCommands(link=LINK, server_name="example.org")


@pytest.fixture
def room(database, commands, clock):
    """The homeserver's admin room, and the bot in it, who acts when a test says so."""
    return AdminRoom(database, commands, clock)


@pytest.fixture
def ordered(database, clock):
    return OrderedRoom(database, BRIEF, clock)


@pytest.fixture
async def desk(open_house, ordered, clock):
    """A desk before such a homeserver."""
    return await open_house(source=server_of(ordered, clock=clock))


@pytest.fixture
async def shared_desk(open_house, ordered, clock):
    source = server_of(ordered, clock=clock)
    return await open_house(source=source, tokens={"mode": "shared", "overlap": "1h"})


async def test_an_order_that_the_bot_gives_meanwhile_is_answered(ordered, room):
    async with room.working():
        reply = await ordered.order("wish", ASK)
    assert reply.startswith("New registration token issued: `")
    assert await ordered.order("wish", ASK) == reply
    assert room.given == [ASK]


async def test_an_order_says_whom_it_waits_for(ordered, room):
    room.moods.append("late")
    with pytest.raises(NotYet, match="the bot has not asked in the homeserver's admin room yet"):
        await ordered.order("wish", ASK)
    await room.turn()
    with pytest.raises(NotYet, match="the homeserver has not replied in its admin room yet"):
        await ordered.order("wish", ASK)


async def test_while_the_bot_is_away_nobody_waits_for_it(ordered, clock):
    with pytest.raises(NotYet):
        await ordered.order("first", ASK)
    clock.turn(seconds=5)
    async with asyncio.timeout(BRIEF.total_seconds() / 2):
        for key in ("first", "second"):
            with pytest.raises(NotYet):
                await ordered.order(key, ASK)


async def test_an_order_that_is_called_off_while_it_is_waited_for_says_so(ordered):
    waiting = asyncio.create_task(ordered.order("wish", ASK))
    await asyncio.sleep(0.05)
    assert await ordered.discard("wish") == ""
    with pytest.raises(NotYet, match="called off"):
        await waiting
    assert await ordered.discard("wish") is None


async def test_the_check_tells_of_a_bot_that_is_not_there(ordered, room, clock):
    with pytest.raises(HomeserverError, match="never read"):
        await ordered.check()
    await room.turn()
    await ordered.check()
    clock.turn(minutes=2)
    with pytest.raises(HomeserverError, match=r"not read .+ since 2026-11-24 12:00 UTC"):
        await ordered.check()


async def test_the_check_tells_of_a_homeserver_that_does_not_reply(ordered, room, clock):
    room.moods.append("deaf")
    with pytest.raises(NotYet):
        await ordered.order("wish", ASK)
    await room.turn()
    await ordered.check()
    clock.turn(minutes=2)
    await room.turn()
    with pytest.raises(HomeserverError, match="has not replied"):
        await ordered.check()


async def test_a_mail_waits_for_the_bot_and_goes_out_when_the_homeserver_replied(
    desk, room, post, clock
):
    await desk.apply()
    room.is_away = True
    for _ in range(6):
        await desk.deliver()
        await room.turn()
        clock.turn(minutes=20)
    (mail,) = await desk.mails()
    assert (mail.status, mail.attempts) == ("queued", 0)
    assert "the bot has not asked" in mail.last_error
    assert "mails failing" not in await desk.alerts()
    room.is_away = False
    await desk.deliver()
    await room.turn()
    await room.turn()
    await desk.deliver()
    (sent,) = post.mails
    (token,) = room.commands.in_force()
    text = text_of(sent)
    assert f"    {token}\r\n" in text and LINK + token in text
    assert room.given == [ASK]


async def test_a_mail_is_given_up_only_when_its_time_is_over(desk, room, clock):
    await desk.apply()
    room.is_away = True
    clock.turn(hours=47)
    await desk.deliver()
    assert (await desk.mails())[0].status == "queued"
    clock.turn(hours=2)
    await desk.deliver()
    assert (await desk.mails())[0].status == "failed"


async def test_the_courier_sends_within_a_moment_of_the_reply(desk, room, post, clock):
    courier = asyncio.create_task(desk.courier.run())
    room.is_away = True
    await desk.apply()
    desk.bell.set()

    async def has_waited():
        mails = await desk.mails()
        return mails[0].last_error is not None and mails[0].due_at > clock()

    await until(has_waited)
    room.is_away = False
    async with room.working():
        await until(lambda: _is_sent(post))
    courier.cancel()
    await asyncio.gather(courier, return_exceptions=True)


async def _is_sent(post):
    return bool(post.mails)


async def test_a_reply_that_is_not_understood_is_an_error_and_asks_anew(desk, room, clock):
    await desk.apply()
    room.moods.append("panic")
    for _ in range(3):
        await desk.deliver()
        await room.turn()
    (mail,) = await desk.mails()
    assert mail.attempts == 1, "this one counts"
    assert mail.last_error == ("continuwuity did not make a token in its admin room: it panicked")
    clock.turn(minutes=1)
    for _ in range(3):
        await desk.deliver()
        await room.turn()
    assert (await desk.mails())[0].status == "sent"
    assert len(room.commands.in_force()) == 1


async def test_a_server_that_knows_no_such_command_is_told_in_its_words(open_house, ordered, room):
    desk = await open_house(source=server_of(ordered, TUWUNEL))
    room.commands = AdminCommands("conduwuit")
    await desk.apply()
    for _ in range(2):
        await desk.deliver()
        await room.turn()
        await room.turn()
    (mail,) = await desk.mails()
    assert mail.last_error == (
        "tuwunel did not make a token in its admin room: unrecognized subcommand 'token'"
    )


async def test_each_server_is_asked_in_its_own_words(ordered, room, clock):
    wishes = {
        "once": Token("once", 1, clock() + timedelta(days=7)),
        "five": Token("five", 5, clock() + timedelta(hours=1)),
        "any": Token("any"),
    }
    for dialect in (CONTINUWUITY, TUWUNEL):
        room.commands = AdminCommands(dialect.title)
        edge = server_of(ordered, dialect, clock=clock)
        async with room.working():
            for name, wish in wishes.items():
                token = Token(f"{dialect.title}{name}", wish.uses, wish.expires_at)
                assert (await edge.issue(token)).value in room.commands.in_force()
    assert room.given == [
        "!admin token issue --once",
        "!admin token issue --max-uses 5",
        "!admin token issue --immortal",
        "!admin token issue --once --max-age 604800s",
        "!admin token issue --max-uses 5 --max-age 3600s",
        "!admin token issue",
    ]


async def test_a_token_whose_order_was_never_given_is_revoked_without_asking(ordered, room):
    edge = server_of(ordered)
    with pytest.raises(NotYet):
        await edge.issue(Token("wish", 1))
    await edge.revoke("wish")
    await room.turn()
    assert room.given == []


async def test_a_late_token_that_nobody_wants_is_taken_back(desk, ordered, room):
    edge = server_of(ordered)
    room.moods.append("late")
    with pytest.raises(NotYet):
        await edge.issue(Token("wish", 1))
    await room.turn()
    await edge.revoke("wish")
    assert len(room.commands.in_force()) == 1
    room.speak()
    await _settle(desk, room)
    assert room.commands.in_force() == set()


async def test_a_second_token_for_one_order_is_taken_back_and_the_first_is_mailed(desk, room, post):
    await desk.apply()
    room.moods.append("again")
    await desk.deliver()
    await room.turn()
    await _settle(desk, room)
    await desk.deliver()
    (sent,) = post.mails
    (token,) = room.commands.in_force()
    assert token in text_of(sent)


async def _settle(desk, room):
    """Let the bot and the rotation do all that is due."""
    for _ in range(4):
        await room.turn()
        try:
            await desk.rotation.look()
        except NotYet:
            continue


async def test_an_applicants_token_ends_by_our_word_when_its_time_is_over(desk, room, post, clock):
    await desk.apply()
    await desk.deliver()
    await room.turn()
    await room.turn()
    await desk.deliver()
    assert len(post.mails) == 1
    clock.turn(days=8)
    await _settle(desk, room)
    assert room.commands.in_force() == set()
    assert room.given[-1].startswith("!admin token revoke ")


async def test_a_shared_token_takes_turns_with_the_next_and_hurries_the_mails(
    shared_desk, room, post, clock
):
    desk = shared_desk
    await desk.apply()
    await desk.deliver()
    (mail,) = await desk.mails()
    assert (mail.attempts, mail.due_at > clock()) == (0, True)
    await _settle(desk, room)
    await desk.deliver()
    (first,) = room.commands.in_force()
    assert first in text_of(post.mails[0]) and LINK + first in text_of(post.mails[0])
    clock.turn(days=1)
    await _settle(desk, room)
    assert len(room.commands.in_force()) == 2, "the old one overlaps"
    clock.turn(hours=2)
    await _settle(desk, room)
    (second,) = room.commands.in_force()
    assert second != first
    assert "!admin token issue --immortal" in room.given


async def test_a_rotation_that_waits_for_the_bot_alarms_nobody(shared_desk, room):
    desk = shared_desk
    rotation = asyncio.create_task(desk.rotation.run())

    async def is_ordered():
        return bool(await desk.database.read(lambda c: orders.to_give(c, 1)))

    async def is_in_force():
        return await desk.database.read(tokens.current_shared) is not None

    await until(is_ordered)
    await asyncio.sleep(2 * BRIEF.total_seconds())  # the order is not waited for any more
    assert "tokens stuck" not in await desk.alerts()
    async with room.working():
        await until(is_in_force)
    rotation.cancel()
    await asyncio.gather(rotation, return_exceptions=True)


async def test_a_token_given_by_hand_has_the_servers_value_once_it_works(desk, room):
    async with room.working():
        token, works = await desk.rotation.given.issue(MOD, 3, timedelta(days=1))
    assert works and room.commands.in_force() == {token.value}
    assert token.link == LINK + token.value
    again, _ = await desk.rotation.given.issue(MOD, 3, timedelta(days=1))
    assert again.value == token.value


async def test_a_token_given_by_hand_while_the_bot_is_away_works_once_it_is_back(desk, room):
    token, works = await desk.rotation.given.issue(MOD, 1, timedelta(days=1))
    assert not works and token.issued_at is None
    await _settle(desk, room)
    kept = await desk.database.read(lambda c: tokens.get(c, token.id))
    assert room.commands.in_force() == {kept.value} and kept.issued_at is not None


async def test_how_often_a_token_was_used_is_read_off_one_list(ordered, room):
    edge = server_of(ordered)
    async with room.working():
        values = [(await edge.issue(Token(f"wish{n}", 2))).value for n in range(5)]
        room.commands.use(values[0])
        states = await asyncio.gather(*map(edge.state, values))
        assert [state.used for state in states] == [1, 0, 0, 0, 0]
        assert room.given.count("!admin token list") == 1
        newest = (await edge.issue(Token("newest", 1))).value
        assert (await edge.state(newest)).used == 0, "the list is older than this one"
        room.commands.use(newest)
        assert (await server_of(ordered).state(newest)).is_used_up


async def test_an_account_is_suspended_and_freed_by_the_room(ordered, room):
    edge, person = taken(ordered), Person("secret")
    room.commands.people["rowdy"] = person
    async with room.working():
        await edge.restrict("rowdy", Restriction.SUSPENDED)
        assert person.is_suspended
        await edge.lift("rowdy", Restriction.SUSPENDED)
        assert not person.is_suspended
        await edge.restrict("rowdy", Restriction.SUSPENDED)
        assert person.is_suspended, "the reply of the first time is not taken for the third's"
        person.is_admin = True
        with pytest.raises(HomeserverError, match="Admin users cannot be locked"):
            await edge.restrict("rowdy", Restriction.LOCKED)


async def test_a_restriction_waits_for_the_bot_and_is_given_once(ordered, room):
    edge, person = taken(ordered), Person("secret")
    room.commands.people["rowdy"] = person
    for _ in range(2):
        with pytest.raises(NotYet):
            await edge.restrict("rowdy", Restriction.DEACTIVATED)
    await room.turn()
    await room.turn()
    await edge.restrict("rowdy", Restriction.DEACTIVATED)
    assert room.given == ["!admin users deactivate @rowdy:example.org"]
    assert person.password is None


async def test_a_restriction_that_was_taken_back_before_it_was_given_never_is(ordered, room):
    edge, person = taken(ordered), Person("secret")
    room.commands.people["rowdy"] = person
    with pytest.raises(NotYet):
        await edge.restrict("rowdy", Restriction.LOCKED)
    with pytest.raises(NotYet):
        await edge.lift("rowdy", Restriction.LOCKED)
    await room.turn()
    assert room.given == ["!admin users unlock @rowdy:example.org"]
    with pytest.raises(Unable):
        await edge.lift("rowdy", Restriction.DEACTIVATED)


def taken(ordered):
    """The edge to a server where every name is taken."""
    names = ToldNames()
    names.usual = NameAvailability.TAKEN
    return server_of(ordered, names=names)
