"""A moderator asks for an account, and sees whose it is and who its neighbours are."""

from dataclasses import replace

import pytest

from gateway.homeserver.homeserver import Restriction
from gateway.store import accounts, registrations
from gateway.store.audit import Author


async def become(desk, number, name):
    """A request becomes an account."""

    def link(c):
        now = desk.clock()
        accounts.seen(c, name, now, ip="203.0.113.9")
        accounts.settle(c, name, now, number)
        registrations.registered(c, number, now, name)

    await desk.database.write(link)


async def test_all_that_is_known_is_told_with_masked_addresses(typed, desk, apply, directory):
    await apply()
    await apply("bob", "bob@other.example", "203.0.113.8")
    await apply("cid", "cid@other.example", "2001:db8::7")
    await become(desk, 1, "ann")
    directory.open("ann", restrictions=frozenset({Restriction.LOCKED}), is_admin=True)
    await typed("note 1 'a friend of bob@other.example'")
    await desk.database.write(lambda c: accounts.seen(c, "eve", desk.clock(), ip="203.0.113.77"))
    answer = await typed("account @ann:example.org")
    assert answer.plain().splitlines() == [
        "@ann:example.org: made at 2026-11-24 12:00 UTC, a server admin, locked",
        "First seen at 2026-11-24 12:00 UTC, opened from 203.0.113.0/24",
        "Registration 1: registered, asked at 2026-11-24 12:00 UTC with a…@example.net from"
        " 203.0.113.0/24",
        "Note by @mod:example.org at 2026-11-24 12:00 UTC: a friend of b…@other.example",
        "Other requests from its network or with its address, the newest 1:",
        "No. · Asked · Status · Name · Address · Shares",
        "2 · 2026-11-24 12:00 · pending · bob · b…@other.example · network",
        "Other accounts opened from its network: eve",
    ]
    assert answer.offers == (("🔓", "account enable @ann:example.org"), ("📄", "registration 1"))
    full = (await typed("account ann --full")).plain()
    assert "ann@example.net from 203.0.113.7" in full
    assert "opened from 203.0.113.9" in full
    assert (await typed("account show ann")).plain() == answer.plain()


async def test_an_account_under_another_name_is_told_with_both(typed, desk, apply, directory):
    await apply()
    await become(desk, 1, "zoe")
    directory.open("zoe")
    answer = await typed("account zoe")
    assert "for the name ann" in answer.plain()
    assert answer.offers == (
        ("🔒", "account lock @zoe:example.org"),
        ("✋", "account suspend @zoe:example.org"),
        ("📄", "registration 1"),
    )
    directory.abilities = replace(directory.abilities, restricts=frozenset())
    assert (await typed("account zoe")).offers == (("📄", "registration 1"),)
    assert "under another name: zoe" in (await typed("registration 1")).plain()
    assert "ann" in (await typed("registrations zoe")).plain()


async def test_a_stranger_and_nobody_are_told_apart(typed, desk, apply, directory):
    directory.open("eve")
    assert "No request is known of it." in (await typed("account eve")).plain()
    await apply("mallory")
    await desk.reviews.reject(Author("@mod:example.org"), 1)
    directory.open("mallory")
    told = (await typed("account mallory")).plain()
    assert "No request is known of it; registration 1 for its name is rejected." in told
    answer = await typed("account nobody")
    assert not answer.ok
    assert answer.plain() == "There is no account @nobody."


async def test_who_asked_from_a_strangers_network_is_told(typed, desk, apply, directory):
    await apply()
    await apply("bob", "bob@other.example", "198.51.100.1")
    directory.open("eve")
    await desk.database.write(lambda c: accounts.seen(c, "eve", desk.clock(), ip="203.0.113.5"))
    assert (await typed("account eve")).plain().splitlines()[3:] == [
        "Other requests from its network, the newest 1:",
        "No. · Asked · Status · Name · Address · Shares",
        "1 · 2026-11-24 12:00 · pending · ann · a…@example.net · network",
    ]


async def test_a_homeserver_that_is_away_hides_nothing_of_ours(typed, desk, apply, directory):
    await apply()
    await become(desk, 1, "ann")
    directory.is_down = True
    told = (await typed("account ann")).plain().splitlines()
    assert told[0] == "@ann:example.org: the homeserver is away"
    assert told[2].startswith("Registration 1: registered")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("account", "Say which account: account @user:server"),
        ("account @ann:other.example", "'@ann:other.example' is no account of example.org."),
        ("account @", "'@' is no user: write @user:example.org."),
        ("account suspnd ann", "There is no command suspnd. Did you mean suspend?"),
        ("account lock", "Missing: USER"),
    ],
)
async def test_what_is_no_account_says_so(typed, line, words):
    answer = await typed(line)
    assert not answer.ok
    assert words in answer.plain()


async def test_a_name_that_reads_like_an_option_can_be_acted_on_by_a_reaction(typed, directory):
    directory.open("--help", "disable", "o'neil")
    for name in directory.accounts:
        told = await typed(f'account "@{name}:example.org"')
        for _, command in told.offers:
            asked = await typed(command)
            assert asked.asks
            assert f"This would leave @{name}:example.org" in asked.plain()


async def test_an_account_in_capitals_is_not_taken_for_another(typed, desk, apply, directory):
    await apply()
    await become(desk, 1, "ann")
    directory.open("ann")
    assert (await typed("account Ann")).plain() == "There is no account @Ann."


async def test_that_a_request_became_an_account_of_unknown_name_is_told(typed, desk, apply):
    await apply()
    await desk.database.write(lambda c: registrations.registered(c, 1, desk.clock()))
    told = (await typed("registration 1")).plain()
    assert "Account seen at 2026-11-24 12:00 UTC; under which name is not known" in told
