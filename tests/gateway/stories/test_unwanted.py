"""The owner of an address says that he did not ask: it is never mailed again, whoever asks."""

import asyncio
import re
from ipaddress import ip_address
from typing import Any

import pytest
from sqlalchemy import event

from bot.console import Console
from gateway.app import open_desk
from gateway.rules.addresses import parse_address
from gateway.rules.screening import Application
from gateway.store import alerts, audit, outbox, registrations, tokens, unwanted
from gateway.store.audit import Author
from gateway.store.keyring import Keyring
from gateway.store.registrations import Status
from gateway.stories.forgetting import Forgetting
from gateway.stories.muting import Muting
from gateway.stories.registration import NotRecorded
from gateway.stories.unwanted import OWNER
from tests.gateway.conftest import text_of

MOD = Author("@mod:example.org", "$event")
URL = "https://desk.example.org"
HOME = ip_address("198.51.100.77")
ANN = "ann@example.net"


@pytest.fixture
async def house(open_house: Any) -> Any:
    return await open_house(web={"public_url": URL})


def sealed_in(mail: Any) -> str:
    (found,) = re.findall(rf"^    {URL}/unwanted/(\S+)\s*$", text_of(mail), re.MULTILINE)
    return str(found)


async def mailed(house: Any, post: Any, name: str = "ann", email: str = ANN, **more: Any) -> str:
    """A request that was mailed; what its link ends with."""
    assert await house.apply(name, email, **more) == ()
    await house.deliver()
    return sealed_in(post.to(email)[-1])


async def entries(house: Any, action: str) -> list[Any]:
    found = await house.database.read(lambda c: audit.search(c, most=100))
    return [each for each in found if each.action == action]


async def test_his_open_requests_are_closed_and_their_tokens_end(open_house, post):
    house = await open_house(
        web={"public_url": URL}, registration={"multiple_users_per_email": True}
    )
    sealed = await mailed(house, post)
    house.clock.turn(days=3)
    await house.apply("ann2", "Ann@example.net", "192.0.2.1")
    assert await house.statuses() == ["mailed", "pending"]
    assert await house.unwanted.refuse(sealed, HOME)
    assert await house.statuses() == ["rejected", "rejected"]
    assert await house.owed() == 0
    token = await house.database.read(lambda c: tokens.of(c, 1))
    assert token.withdraw_at == house.clock()
    await house.rotation.look()
    assert house.source.revoked == {token.value}
    assert await house.audited() == [
        (OWNER.who, "unwanted", "registration 1"),
        (OWNER.who, "reject", "registration 2"),
        (OWNER.who, "reject", "registration 1"),
    ]
    (entry,) = await entries(house, "unwanted")
    assert (entry.before, entry.after) == ("mailed", "no mail to its address, 2 requests closed")
    assert entry.reason == "said so from 198.51.100.0/24"


async def test_nothing_is_mailed_whatever_is_owed_and_whoever_asks(house, post):
    sealed = await mailed(house, post)
    await house.unwanted.refuse(sealed, HOME)
    count = len(post.mails)
    house.clock.turn(days=400)
    assert await house.apply("other", "Ann@EXAMPLE.net", "192.0.2.1") == ()
    assert (await house.statuses())[-1] == "repeat"
    states = {
        "token": Status.PENDING,
        "review": Status.REVIEW,
        "rejected": Status.REJECTED,
        "deactivated": Status.REGISTERED,
        "suspended": Status.REGISTERED,
        "locked": Status.REGISTERED,
        "freed": Status.REGISTERED,
    }
    for kind, status in states.items():

        def owe(connection, kind=kind, status=status):
            registrations.become(connection, 1, status, [*Status])
            outbox.owe(connection, 1, "example.org", house.clock(), kind)

        await house.database.write(owe)
        assert await house.owed() == 1
        await house.deliver()
        assert (await house.mails())[-1].status == "cancelled", kind
        assert await house.owed() == 0
    assert len(post.mails) == count


async def test_the_pseudonym_of_an_old_key_counts_as_well(house, post):
    sealed = await mailed(house, post)
    await house.unwanted.refuse(sealed, HOME)
    keyring = Keyring(house.settings.state / "keys")
    keyring.rotate(house.clock())
    house.clock.turn(days=2)
    await house.apply("other", ANN, "192.0.2.1")
    assert (await house.statuses())[-1] == "repeat"
    assert await house.database.read(lambda c: house.unwanted.refusal_of(c, ANN)) is not None
    kept = await house.database.read(lambda c: unwanted.find(c, [ANN]))
    assert kept is None, "the address itself stands on the list"


async def test_the_link_of_a_mail_works_after_the_address_was_forgotten(house, post):
    sealed = await mailed(house, post)
    keyring = Keyring(house.settings.state / "keys")
    forgetting = Forgetting(house.database, keyring, house.bans, house.clock)
    await forgetting.forget(MOD, parse_address(ANN))
    assert await house.unwanted.refuse(sealed, HOME)
    await house.apply("other", ANN, "192.0.2.1")
    assert (await house.statuses())[-1] == "repeat"
    alert = (await house.alerts())["unwanted elsewhere"][1]
    assert alert == "Request 1 was not asked for by the owner of its address, who wants no mail"


@pytest.mark.parametrize("times", ["one after the other", "at once", "at two desks"])
async def test_pressed_twice_it_happens_once(open_house, house, post, times):
    sealed = await mailed(house, post)
    if times == "one after the other":
        assert [await house.unwanted.refuse(sealed, HOME) for _ in range(2)] == [True, True]
    else:
        other = await open_house(web={"public_url": URL}) if times != "at once" else house
        both = house.unwanted.refuse(sealed, HOME), other.unwanted.refuse(sealed, HOME)
        assert await asyncio.gather(*both) == [True, True]
    assert len(await entries(house, "unwanted")) == len(await entries(house, "reject")) == 1
    assert (await house.alerts())["unwanted 203.0.113.0/24"][0] == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda sealed: sealed[:-1] + ("0" if sealed[-1] != "0" else "1"),
        lambda sealed: "2" + sealed[1:],
        lambda sealed: "3" + sealed[1:],
        lambda sealed: "0" + sealed,
        lambda sealed: sealed.upper(),
        lambda sealed: sealed + "\n",
        lambda sealed: sealed.replace("1.", "١.", 1),
        lambda sealed: "9" * 30 + sealed[1:],
        lambda sealed: sealed.partition(".")[0],
        lambda sealed: "",
    ],
)
async def test_only_the_very_link_of_a_mail_counts(house, post, change):
    sealed = await mailed(house, post)
    await mailed(house, post, "bob", "bob@example.net", ip="192.0.2.1")
    changed = change(sealed)
    if changed == sealed:
        pytest.skip("a signature of digits alone has no capitals")
    assert not await house.unwanted.is_ours(changed)
    assert not await house.unwanted.refuse(changed, HOME)
    assert await house.statuses() == ["mailed", "mailed"]
    assert await house.unwanted.is_ours(sealed)


async def test_who_forges_links_keeps_nobody_from_writing(house, post, monkeypatch):
    sealed = await mailed(house, post)
    written: list[Any] = []
    monkeypatch.setattr(house.database, "write", written.append)
    for forged in (f"1.{'0' * 32}", sealed.replace("1.", "2.", 1), "1"):
        assert not await house.unwanted.refuse(forged, HOME)
    assert written == []


async def test_a_link_is_not_for_another_who_has_its_number_after_a_backup(house, post):
    sealed = await mailed(house, post)
    later = "UPDATE registrations SET email_key = 'bob@x.org', created_at = '2026-12-01 00:00:00'"
    await house.database.write(lambda c: c.exec_driver_sql(later) and None)
    assert not await house.unwanted.refuse(sealed, HOME)
    assert await house.statuses() == ["mailed"]


async def test_the_room_hears_once_for_a_network_with_what_to_do(house, post):
    first = await mailed(house, post)
    second = await mailed(house, post, "bob", "bob@example.net", ip="203.0.113.99")
    for sealed in (first, second):
        await house.unwanted.refuse(sealed, HOME)
    found = await house.database.read(lambda c: alerts.pending(c, house.clock()))
    (alert,) = [each for each in found if each.kind == "unwanted"]
    assert alert.count == 2
    assert alert.text == (
        "Request 2 was not asked for by the owner of its address, who wants no mail; it came from"
        " network `203.0.113.0/24`"
    )
    assert [each.partition(" · ")[2] for each in alert.details] == [
        "registration 1",
        "registration 2",
    ]
    assert alert.actions == (
        ("🚫", "ban ip 203.0.113.0/24 --for 7d"),
        ("❓", "registration 1"),
    )
    await Muting(house.database, house.clock).mute(MOD, ["unwanted"], None)


async def test_an_account_stays_and_the_room_hears_of_it(house, post):
    sealed = await mailed(house, post)
    await house.database.write(lambda c: registrations.registered(c, 1, house.clock(), "annie"))
    await house.unwanted.refuse(sealed, HOME)
    assert await house.statuses() == ["registered"]
    assert (await house.audited())[1:] == []
    text = (await house.alerts())["unwanted 203.0.113.0/24"][1]
    assert text.endswith(". An account with that address exists and stays as it is: `annie`")


async def test_he_is_not_told_of_his_account_either_and_the_moderator_knows(house, post):
    sealed = await mailed(house, post)
    await house.database.write(lambda c: registrations.registered(c, 1, house.clock(), "ann"))
    house.directory.open("ann")
    assert (await house.restricting.plan("ann", "lock", tells=True)).on
    await house.unwanted.refuse(sealed, HOME)
    with pytest.raises(ValueError, match="wants no mail: leave out --tell"):
        await house.restricting.plan("ann", "lock", tells=True)


async def test_a_request_under_review_is_closed_and_its_message_says_so(open_house, post):
    house = await open_house(web={"public_url": URL}, review={"all": True})
    sealed = await mailed(house, post)
    await house.unwanted.refuse(sealed, HOME)
    text = (await house.alerts())["review 1"][1]
    assert text == (
        "Request 1, name `ann`, address `a…@example.net`, was closed by `the address's owner`:"
        " `he did not ask for it`"
    )
    await house.reviews.reopen(MOD, 1)
    with pytest.raises(ValueError, match=r"wants no mail from this desk \(undo 1 takes"):
        await house.reviews.approve(MOD, 1)
    assert await house.statuses() == ["review"]


async def test_a_mail_is_not_sent_again(house, post):
    sealed = await mailed(house, post)
    await house.unwanted.refuse(sealed, HOME)
    await house.database.write(lambda c: registrations.become(c, 1, Status.MAILED, [*Status]))
    with pytest.raises(ValueError, match="wants no mail from this desk"):
        await house.resending.resend(1, MOD)
    assert await house.owed() == 0


async def test_undo_lets_mails_go_again_and_the_link_counts_again(house, post):
    sealed = await mailed(house, post)
    await house.unwanted.refuse(sealed, HOME)
    (entry,) = await entries(house, "unwanted")
    done = await house.unwanted.put_back(MOD, entry)
    assert (done.undoes, done.after, done.who) == (entry.id, "open to mail again", MOD.who)
    with pytest.raises(ValueError, match="only the owner of an address can say"):
        await house.unwanted.put_back(MOD, done)
    with pytest.raises(ValueError, match="its address is not on the list"):
        await house.unwanted.put_back(MOD, entry)
    house.clock.turn(days=2)
    again = await mailed(house, post, "other", ip="192.0.2.1")
    assert (await house.statuses())[-1] == "mailed"
    assert await house.unwanted.refuse(again, HOME)
    assert len(await entries(house, "unwanted")) == 2


async def test_a_disk_that_takes_nothing_promises_nothing(house, post):
    sealed = await mailed(house, post)

    def full(connection, cursor, statement, *_):
        if statement.startswith("INSERT INTO unwanted"):
            cursor.execute("PRAGMA query_only = ON")

    engine = house.database._engine
    event.listen(engine, "before_cursor_execute", full)
    try:
        with pytest.raises(NotRecorded):
            await house.unwanted.refuse(sealed, HOME)
    finally:
        event.remove(engine, "before_cursor_execute", full)
    assert await house.statuses() == ["mailed"]
    assert await entries(house, "unwanted") == []
    assert "unwanted 203.0.113.0/24" not in await house.alerts()


async def test_without_a_public_url_the_mail_has_no_link(open_house, post):
    house = await open_house()
    await house.apply()
    await house.deliver()
    (mail,) = post.mails
    assert "unwanted" not in text_of(mail) and mail["List-Unsubscribe"] is None


async def test_the_commands_know_of_it(make_settings, clock, post):
    settings = make_settings(web={"public_url": URL})
    async with open_desk(settings, clock) as desk:
        console = Console(desk)

        async def typed(line: str) -> str:
            return str((await console.type(line, MOD)).plain())

        await desk.apply(Application("ann", ANN, ip_address("203.0.113.7")))
        (row,) = await desk.database.read(lambda c: [*registrations.every(c)])
        assert "wants no mail" not in await typed("registration 1") + await typed(f"test {ANN}")
        sealed = str(desk.unwanted.link(row)).rpartition("/")[2]
        assert await desk.refuse_mail(sealed, HOME)
        says = "The owner of the address wants no mail, since 2026-11-24 12:00 UTC; undo 1 takes"
        assert says in await typed("registration 1")
        assert "said so from 198.51.100.0/24" in await typed("registration 1")
        assert says in await typed(f"test {ANN.upper()}")
        (alert,) = await desk.database.read(lambda c: alerts.lasting(c))
        for _, line in alert.actions:
            assert (await console.type(line, MOD)).ok, line
        undone = await typed("undo 1")
        assert undone.endswith("registration 1 is open to mail again.")
        assert "wants no mail" not in await typed("registration 1") + await typed(f"test {ANN}")
