"""A moderator locks, suspends, ends and frees accounts: asked back, told how it went, undone."""

import pytest

from gateway.homeserver.homeserver import Restriction
from tests.bot.commands.test_account import become

OTHER = "@other:example.org"


@pytest.fixture
def zoe(directory):
    directory.open("zoe")


async def test_it_is_asked_back_with_what_it_does(typed, directory, zoe):
    answer = await typed("account lock @zoe:example.org --reason 'spam spam'")
    assert answer.asks
    assert answer.plain().splitlines()[:2] == [
        "This would leave @zoe:example.org locked: it can do nothing until it is unlocked.",
        "It can be undone: account enable @zoe:example.org.",
    ]
    assert directory.accounts["zoe"].restrictions == frozenset()
    done = await typed("confirm 1")
    assert done.ok
    assert done.plain() == "@zoe is locked now (entry 1)."
    assert "lock account zoe free → locked: spam spam" in (await typed("log")).plain()
    told = (await typed("account zoe")).plain()
    assert "Lock at 2026-11-24 12:00 UTC by @mod:example.org (entry 1): spam spam" in told


async def test_what_cannot_be_undone_and_who_is_an_admin_is_said(typed, directory):
    directory.open("root", is_admin=True)
    told = (await typed("account disable root")).plain()
    assert "nobody logs in to it any more, and its name stays taken" in told
    assert "It can not be undone: with a told homeserver an account that is deactivated" in told
    assert "Mind: it is a server admin." in told


async def test_an_account_is_set_free(typed, directory, zoe):
    await typed("account suspend zoe --yes")
    asked = (await typed("account enable zoe")).plain()
    assert "This sets @zoe:example.org free: it is suspended no more." in asked
    assert (await typed("confirm 1")).plain() == "@zoe is free now (entry 2)."
    assert directory.accounts["zoe"].restrictions == frozenset()


async def test_it_is_taken_back(typed, directory, zoe):
    await typed("account lock zoe --yes")
    answer = await typed("undo")
    assert answer.plain() == "Entry 1 is taken back (entry 2): account zoe is free."
    assert directory.accounts["zoe"].restrictions == frozenset()
    assert (await typed("undo 2")).ok
    assert directory.accounts["zoe"].restrictions == {Restriction.LOCKED}
    await typed("account suspend zoe --yes", OTHER)
    assert "was changed since, by @other:example.org" in (await typed("undo 3")).plain()
    await typed("account disable zoe --yes")
    answer = await typed("undo")
    assert not answer.ok
    assert "an account that is deactivated cannot be set free from here" in answer.plain()


async def test_a_homeserver_that_does_not_answer_is_told(typed, directory, zoe):
    directory.is_down = True
    assert "it is done as soon as it does" in (await typed("account lock zoe")).plain()
    answer = await typed("account lock zoe --yes")
    assert not answer.ok
    assert answer.plain() == (
        "It is written down and is done to @zoe as soon as the homeserver does it: the homeserver"
        " is away."
    )
    assert "To be locked as soon as" in (await typed("account zoe")).plain()


async def test_a_mail_to_the_person_is_announced_with_a_masked_address(
    typed, desk, apply, directory, zoe
):
    answer = await typed("account lock zoe --tell")
    assert "No request is known of @zoe, so there is no address" in answer.plain()
    await apply()
    await become(desk, 1, "zoe")
    asked = (await typed("account lock zoe --tell --reason spam")).plain()
    assert "A mail says so, with the reason, to a…@example.net." in asked
    await typed("confirm 1")
    assert "Mail that the account is locked: queued" in (await typed("registration 1")).plain()


async def test_a_server_that_reaches_no_accounts_says_so(typed):
    answer = await typed("account lock zoe")
    assert not answer.ok
    assert answer.plain() == (
        "With a homeserver with a token file no account can be locked from here."
    )


async def test_one_that_is_locked_already_is_said(typed, directory, zoe):
    await typed("account lock zoe --yes")
    assert (await typed("account lock zoe")).plain() == "@zoe is locked already."


async def test_that_it_is_his_own_account_is_said(typed, directory):
    directory.open("mod", "other")
    assert "Mind: it is your own account." in (await typed("account lock mod")).plain()
    assert "Mind" not in (await typed("account lock other")).plain()
