"""An account is locked, suspended, ended or set free: once, whatever is pulled out on the way."""

import asyncio
from dataclasses import replace

import aiohttp
import pytest

from gateway.homeserver.homeserver import HomeserverError, NotYet, Restriction
from gateway.store import accounts, alerts, audit, registrations, restrictions
from gateway.store.audit import Author
from tests.gateway.conftest import synapse_at, text_of, until

MOD = Author("@mod:example.org", "$lock")
OTHER = Author("@other:example.org", "$other")
LOCKED, SUSPENDED = Restriction.LOCKED, Restriction.SUSPENDED


@pytest.fixture
async def zoe(house):
    """An account of the applicant ann."""
    await house.apply("ann")
    await house.deliver()
    house.directory.open("zoe")

    def link(c):
        accounts.seen(c, "zoe", house.clock())
        accounts.settle(c, "zoe", house.clock(), 1)
        registrations.registered(c, 1, house.clock(), "zoe")

    await house.database.write(link)


async def change(house, action, author=MOD, reason="", *, tells=False, name="zoe"):
    plan = await house.restricting.plan(name, action, tells=tells)
    return await house.restricting.change(author, action, plan, reason, tells=tells)


def state(house, name="zoe"):
    return house.directory.accounts[name].restrictions


def changes(house):
    return [each for each in house.directory.calls if each.startswith(("restrict", "lift"))]


async def later(house):
    house.clock.turn(seconds=30)
    await house.restricting.enforcement.look()


async def test_an_account_is_locked_and_written_down(house, zoe):
    outcome = await change(house, "lock", reason="spam")
    assert (outcome.waits, outcome.fault) == ("", "")
    assert state(house) == {LOCKED}
    (entry,) = await house.database.read(lambda c: audit.about(c, "account zoe"))
    assert (entry.who, entry.action, entry.before, entry.after, entry.reason) == (
        MOD.who,
        "lock",
        "free",
        "locked",
        "spam",
    )
    await later(house)
    assert changes(house) == ["restrict zoe locked"]
    with pytest.raises(ValueError, match="@zoe is locked already"):
        await house.restricting.plan("zoe", "lock")


async def test_the_same_event_has_it_done_once(house, zoe):
    await change(house, "lock")
    assert (await house.restricting.begun(MOD)).entry.action == "lock"
    plan = replace(await house.restricting.plan("zoe", "suspend"), on=frozenset({LOCKED}))
    await house.restricting.change(MOD, "lock", plan)
    assert len(await house.database.read(lambda c: audit.about(c, "account zoe"))) == 1
    assert await house.restricting.begun(OTHER) is None


async def test_what_the_homeserver_does_not_do_follows_as_soon_as_it_answers(house, zoe):
    house.directory.is_down = True
    outcome = await change(house, "suspend")
    assert outcome.waits == "the homeserver is away"
    await house.restricting.enforcement.look()  # whoever gave the command is at it
    with pytest.raises(HomeserverError):
        await later(house)
    house.directory.is_down = False
    await later(house)
    assert state(house) == {SUSPENDED}
    assert (await house.alerts())["account zoe"][1] == (
        "The account `@zoe` is suspended, as was asked for in entry 1"
    )
    await later(house)
    assert changes(house) == ["restrict zoe suspended"]


async def test_a_lost_answer_is_made_good(house, zoe):
    house.directory.loses_answers = True
    assert (await change(house, "lock")).waits == "the answer was lost"
    house.directory.loses_answers = False
    await later(house)
    assert state(house) == {LOCKED}
    assert len(changes(house)) == 2


async def test_what_a_killed_process_wrote_down_is_done_by_the_next(house, zoe, open_house):
    async def die(name, restriction):
        raise KeyboardInterrupt

    house.directory.restrict, restrict = die, house.directory.restrict
    with pytest.raises(KeyboardInterrupt):
        await change(house, "lock", tells=True)
    assert state(house) == frozenset()
    house.directory.restrict = restrict
    next_one = await open_house(directory=house.directory)
    await later(next_one)
    assert state(house) == {LOCKED}
    assert await house.owed() == 1
    await later(house)
    assert changes(house) == ["restrict zoe locked"]
    assert await house.owed() == 1


async def test_what_is_ordered_in_a_room_is_waited_for_without_an_alert(house, zoe):
    async def order(name, restriction):
        raise NotYet("the bot has not asked in the homeserver's admin room yet")

    house.directory.restrict, restrict = order, house.directory.restrict
    outcome = await change(house, "lock")
    assert outcome.waits == "the bot has not asked in the homeserver's admin room yet"
    house.clock.turn(seconds=30)
    assert not await house.restricting.enforcement.look()
    house.directory.restrict = restrict
    assert await house.restricting.enforcement.look()
    assert state(house) == {LOCKED}


async def test_setting_free_lifts_what_is_on_and_what_is_about_to_be(house, zoe):
    await change(house, "lock")
    house.directory.is_down = True
    await change(house, "suspend", OTHER)
    house.directory.is_down = False
    await change(house, "enable", Author("@mod:example.org", "$free"))
    assert state(house) == frozenset()
    await later(house)
    assert state(house) == frozenset()
    with pytest.raises(ValueError, match="Nothing keeps anybody from the account @zoe"):
        await house.restricting.plan("zoe", "enable")


async def test_a_lock_that_comes_after_its_own_end_is_lifted_again(house, zoe):
    """Another process was about to lock, and was slower than whoever set free."""
    house.directory.is_down = True
    await change(house, "lock")
    house.directory.is_down = False
    (late,) = await house.database.read(restrictions.unfulfilled)
    await change(house, "enable", OTHER, tells=True)
    assert not await house.restricting.enforcement.fulfil(late)
    assert state(house) == {LOCKED}
    await later(house)
    assert state(house) == frozenset()
    assert await house.owed() == 1


async def test_what_a_homeserver_cannot_do_is_refused_clearly(house, zoe):
    abilities = replace(house.directory.abilities, restricts=frozenset({SUSPENDED}))
    house.restricting.abilities = abilities
    with pytest.raises(ValueError, match="no account can be locked from here; what it can is susp"):
        await house.restricting.plan("zoe", "lock")
    house.directory.accounts["zoe"] = replace(
        house.directory.accounts["zoe"], restrictions=frozenset({Restriction.DEACTIVATED})
    )
    with pytest.raises(ValueError, match="that is deactivated cannot be set free"):
        await house.restricting.plan("zoe", "enable")
    assert changes(house) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("porter", "@porter is left alone: that is the bot's own account"),
        ("admin", "@admin is left alone: by that account Porter asks the homeserver"),
        ("nobody", "There is no account @nobody"),
    ],
)
async def test_some_accounts_are_left_alone(open_house, name, words):
    bot = {"user": "@porter:example.org", "password": "p", "room": "!r"}
    house = await open_house(bot=bot)
    house.directory.open("porter", "admin")
    with pytest.raises(ValueError, match=words):
        await house.restricting.plan(name, "disable")


async def test_an_account_that_turns_out_to_be_porters_own_is_not_locked_later(house):
    house.directory.open("admin")
    house.directory.is_down = True
    await change(house, "lock", name="admin")
    house.directory.is_down = False
    await later(house)
    assert state(house, "admin") == frozenset()
    told = (await house.alerts())["account admin"][1]
    assert told.startswith("What entry 1 asks for `@admin` cannot be done: `by that account")
    entries = await house.database.read(lambda c: audit.about(c, "account admin"))
    assert [(each.who, each.action) for each in entries] == [
        (MOD.who, "lock"),
        ("porter", "not done"),
    ]


async def test_the_person_is_mailed_the_reason_once_it_is_done(house, zoe, post):
    post.mails.clear()
    house.directory.is_down = True
    await change(house, "suspend", reason="<b>spam</b> in rooms", tells=True)
    assert await house.owed() == 0
    house.directory.is_down = False
    await later(house)
    await house.deliver()
    (mail,) = post.mails
    assert mail["To"] == "ann@example.net"
    assert mail["Subject"] == "Your account at example.org"
    assert "@zoe:example.org" in text_of(mail)
    assert "suspended" in text_of(mail)
    assert "<b>spam</b> in rooms" in text_of(mail)
    html = mail.get_body(("html",)).get_content()
    assert "&lt;b&gt;spam&lt;/b&gt;" in html
    await change(house, "enable", OTHER, tells=True)
    await house.deliver()
    assert "set it free again" in text_of(post.mails[-1])


async def test_a_mail_that_is_not_true_any_more_is_not_sent(house, zoe, post):
    post.mails.clear()
    await change(house, "lock", tells=True)
    assert await house.owed() == 1
    await change(house, "enable", OTHER)
    await house.deliver()
    assert post.mails == []


async def test_nobody_is_mailed_whose_address_is_not_known(house):
    house.directory.open("eve")
    with pytest.raises(ValueError, match="No request is known of @eve"):
        await house.restricting.plan("eve", "lock", tells=True)


async def test_it_is_taken_back_as_it_was(house, zoe):
    await change(house, "suspend")
    await change(house, "lock", OTHER)
    locked = await house.database.read(lambda c: audit.get(c, 2))
    outcome = await house.restricting.put_back(Author("@mod:example.org", "$undo"), locked)
    assert state(house) == {SUSPENDED}
    assert (outcome.entry.before, outcome.entry.after) == ("locked, suspended", "suspended")
    with pytest.raises(ValueError, match="Entry 2 was taken back already"):
        await house.restricting.put_back(OTHER, locked)
    outcome = await house.restricting.put_back(OTHER, outcome.entry)
    assert state(house) == {LOCKED, SUSPENDED}


async def test_trouble_is_told_while_it_lasts(house, zoe, monkeypatch):
    monkeypatch.setattr("gateway.stories.accounts.enforcement.EVERY", 0.01)
    house.directory.is_down = True
    await change(house, "lock")
    house.clock.turn(seconds=30)
    running = asyncio.create_task(house.restricting.enforcement.run())

    async def is_told():
        return await house.database.read(
            lambda c: alerts.standing(c, "accounts stuck", house.clock()) is not None
        )

    await until(is_told)
    house.directory.is_down = False

    async def is_over():
        return not await is_told() and state(house) == {LOCKED}

    await until(is_over)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


# On a real homeserver


async def test_a_locked_person_cannot_act_until_he_is_set_free(open_house, synapse):
    admin = await synapse.register_user("restricting-admin", "pass-word-1", admin=True)
    rowdy = await synapse.register_user("rowdy-zoe", "pass-word-1")
    async with aiohttp.ClientSession() as session:
        house = await open_house(directory=synapse_at(session, synapse.url, admin))

        async def errcode(path, body=None):
            """What the person is told who asks for something."""
            async with session.request(
                "GET" if body is None else "POST",
                f"{synapse.url}/_matrix/client/v3/{path}",
                headers={"Authorization": f"Bearer {rowdy}"},
                json=body,
            ) as response:
                return (await response.json()).get("errcode")

        async def do(action):
            author = Author(MOD.who, f"${action}-{house.clock()}")
            house.clock.turn(seconds=1)
            outcome = await change(house, action, author, name="rowdy-zoe")
            assert (outcome.waits, outcome.fault) == ("", "")

        with pytest.raises(ValueError, match="by that account Porter asks"):
            await house.restricting.plan("restricting-admin", "lock")
        with pytest.raises(ValueError, match="There is no account @nobody-here"):
            await house.restricting.plan("nobody-here", "lock")
        await do("lock")
        assert await errcode("account/whoami") == "M_USER_LOCKED"
        await do("enable")
        assert await errcode("account/whoami") is None
        await do("suspend")
        assert await errcode("createRoom", {}) == "M_USER_SUSPENDED"
        assert await errcode("account/whoami") is None
        await do("enable")
        assert await errcode("createRoom", {}) is None
        await do("disable")
        assert await errcode("account/whoami") == "M_UNKNOWN_TOKEN"
        with pytest.raises(ValueError, match="that is deactivated cannot be set free"):
            await house.restricting.plan("rowdy-zoe", "enable")
