"""Accounts that were opened past the desk are found, and nobody else's."""

import pytest

from gateway.homeserver.homeserver import Abilities, Account, HomeserverError
from gateway.store import accounts, registrations
from gateway.store.registrations import Status
from gateway.stories.accounts.unknown_accounts import UnknownAccounts
from tests.gateway.conftest import NOW


class ToldDirectory:
    """A directory that says what it was told to."""

    abilities = Abilities("a told homeserver", lists_accounts=True)

    def __init__(self, *names):
        self.names = names
        self.applications = set()
        self.asked = []
        self.is_down = False

    async def newest(self, since, most):
        if self.is_down:
            raise HomeserverError("the homeserver is away")
        return [Account(name, NOW, name == "root") for name in self.names][:most]

    async def account(self, name):
        self.asked.append(name)
        return Account(name, NOW, is_application=name in self.applications)


async def names(house, directory):
    unknown_accounts = UnknownAccounts(house.settings, house.database, directory)
    return [each.account.name for each in (await unknown_accounts.find(None)).unknown]


async def test_an_account_with_a_granted_request_is_known(house):
    await house.apply("ann")
    await house.apply("bob", "b@x.example", "198.51.100.1")
    await house.database.write(lambda c: registrations.become(c, 2, Status.REJECTED))
    directory = ToldDirectory("ann", "bob", "eve")
    unknown_accounts = UnknownAccounts(house.settings, house.database, directory)
    found = await unknown_accounts.find(None)
    assert [(each.account.name, each.request) for each in found.unknown] == [
        ("bob", (2, Status.REJECTED)),
        ("eve", None),
    ]
    assert (found.looked_at, found.is_all) == (3, True)


async def test_the_bot_and_the_bridges_are_left_out(open_house):
    bot = {"user": "@porter:example.org", "password": "p", "room": "!r"}
    house = await open_house(bot=bot)
    directory = ToldDirectory("porter", "irc_eve", "eve")
    directory.applications = {"irc_eve"}
    assert await names(house, directory) == ["eve"]
    assert "porter" not in directory.asked


async def test_there_is_an_end_to_looking_and_to_asking(house, monkeypatch):
    monkeypatch.setattr("gateway.stories.accounts.unknown_accounts._MOST", 600)
    monkeypatch.setattr("gateway.stories.accounts.unknown_accounts._ASKED", 10)
    directory = ToldDirectory(*(f"u{number}" for number in range(700)))
    unknown_accounts = UnknownAccounts(house.settings, house.database, directory)
    found = await unknown_accounts.find(None)
    assert (len(found.unknown), found.looked_at, found.is_all) == (600, 600, False)
    assert len(directory.asked) == 10


async def test_a_homeserver_that_does_not_answer(house):
    directory = ToldDirectory()
    directory.is_down = True
    with pytest.raises(HomeserverError):
        await names(house, directory)


async def test_an_account_under_another_name_than_asked_for_is_known(house):
    await house.apply("ann")

    def link(c):
        accounts.seen(c, "zoe", NOW)
        accounts.settle(c, "zoe", NOW, 1)

    await house.database.write(link)
    assert await names(house, ToldDirectory("zoe", "eve")) == ["eve"]


async def test_where_accounts_are_not_listed_those_that_were_announced_are(house):
    await house.apply("ann")

    def tell(c):
        accounts.seen(c, "ann", NOW)
        accounts.seen(c, "eve", NOW, ip="203.0.113.7")

    await house.database.write(tell)
    directory = ToldDirectory()
    directory.abilities = Abilities("continuwuity", announces_accounts=True)
    directory.is_down = True
    assert await names(house, directory) == ["eve"]
    assert directory.asked == []
    directory.abilities = Abilities("conduit")
    with pytest.raises(HomeserverError):
        await names(house, directory)
