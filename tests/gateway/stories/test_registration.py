"""One request: heard, counted, decided and recorded, and nobody learns whose address we know."""

import asyncio
import sqlite3
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.homeserver.homeserver import NameAvailability
from gateway.rules.bans import Kind
from gateway.rules.screening import Code
from gateway.store import hits, registrations
from gateway.store.audit import Author
from gateway.store.registrations import Status
from gateway.stories.registration import NotRecorded

MOD = Author("@mod:example.org", "$event")


async def become(house: Any, number: int, status: Status) -> None:
    """Move a registration on, as courier, watcher and moderators do."""
    if status is Status.MAILED:
        await house.deliver()
    elif status is not Status.PENDING:
        assert await house.database.write(lambda c: registrations.become(c, number, status))


async def test_an_accepted_request_is_recorded_with_its_mail(house):
    assert await house.apply("Ann", " Ann@Example.NET ", "2001:db8:1:2:3::4") == ()
    (row,) = await house.rows()
    assert (row.name, row.email, row.email_key) == ("ann", "Ann@example.net", "ann@example.net")
    assert (row.ip, row.network) == ("2001:db8:1:2:3::4", "2001:db8:1:2::/64")
    assert (row.status, row.refusals, row.name_checked) == (Status.PENDING, (), True)
    assert row.held_until == row.created_at + timedelta(days=7)
    (mail,) = await house.mails()
    assert (mail.status, mail.attempts) == ("queued", 0)
    assert house.bell.is_set()


async def test_every_reason_of_one_request_is_recorded_in_order(house):
    await house.ban("ip", "203.0.113.0/24")
    await house.ban("email", "@example.net")
    await house.ban("name", "^adm")
    await house.hours.pause(MOD, timedelta(hours=2), "Gone fishing")
    refusals = await house.apply("Admin", "x@mail.example.net")
    assert [each.code for each in refusals] == [
        Code.CLOSED,
        Code.NETWORK_BANNED,
        Code.EMAIL_BANNED,
        Code.NAME_BANNED,
    ]
    assert refusals[0].retry_after == timedelta(hours=2)
    (row,) = await house.rows()
    assert row.status is Status.REFUSED
    assert row.refusals == (
        {"code": "closed", "field": "", "detail": "Gone fishing"},
        {"code": "network_banned", "field": "", "detail": "203.0.113.0/24"},
        {"code": "email_banned", "field": "email", "detail": "@example.net"},
        {"code": "name_banned", "field": "requested_username", "detail": "^adm"},
    )
    assert await house.owed() == 0
    assert not house.bell.is_set()
    assert house.names.asked == []  # a refused name is nobody's business


async def test_where_only_the_school_may_ask_others_are_refused(open_house):
    house = await open_house(addresses={"only_domains": ["School.example", "bücher.example"]})
    assert await house.codes("ann", "ann@pupils.school.example") == []
    assert await house.codes("bob", "bob@BÜCHER.example") == []
    (refusal,) = await house.apply("eve", "eve@myschool.example")
    assert (refusal.code, refusal.field) == (Code.EMAIL_ELSEWHERE, "email")
    assert (await house.rows())[2].refusals[0]["detail"] == "myschool.example"
    assert await house.owed() == 2


async def test_throw_away_addresses_are_refused_where_the_operator_says_so(open_house):
    addresses = {"throwaway_domains": ["brief.example"], "good_domains": ["yopmail.fr"]}
    house = await open_house(addresses={"throwaway": "refuse", **addresses})
    assert await house.codes("ann", "ann@mail.yopmail.com") == ["email_throwaway"]
    assert await house.codes("bob", "bob@brief.example") == ["email_throwaway"]
    assert await house.codes("cid", "cid@yopmail.fr") == []


async def test_malformed_fields_are_refused_together_and_kept_as_typed(house):
    assert await house.codes("Änn", "no address") == ["name_malformed", "email_malformed"]
    (row,) = await house.rows()
    assert (row.name, row.email) == ("Änn", "no address")
    assert [each["field"] for each in row.refusals] == ["requested_username", "email"]


NASTY = [
    "",
    " ",
    "\ud800",
    "a\udfffb@example.net",
    "\x00\x01\x1b[2J",
    "ann\r\nBcc: eve@example.net",
    "ann@example.net, eve@example.net",
    "\u202eann@example.net",
    "x" * 300,
    "ß" * 300 + "@example.net",
    "a@" + "b." * 150 + "org",
    "'); DROP TABLE registrations; --",
    "%s%n{0}{registration_token}",
    "\ufeffann",
]


@pytest.mark.parametrize("typed", NASTY, ids=ascii)
async def test_nasty_input_is_refused_and_recorded(house, typed):
    assert await house.codes(typed, typed) == ["name_malformed", "email_malformed"]
    (row,) = await house.rows()
    assert row.status is Status.REFUSED
    assert row.name == row.email == typed.strip()[:255].encode("utf-8", "replace").decode()


async def test_a_known_address_hears_the_same_and_gets_no_second_mail(house):
    assert await house.apply() == ()
    assert await house.apply("bob") == ()
    assert await house.statuses() == ["pending", "repeat"]
    assert await house.owed() == 1


@pytest.mark.parametrize(
    ("status", "later", "many", "then"),
    [
        ("pending", "23h", False, "repeat"),
        ("mailed", "23h", False, "repeat"),
        ("registered", "23h", False, "repeat"),
        ("failed", "0h", False, "pending"),
        ("rejected", "0h", False, "pending"),
        ("pending", "23h", True, "repeat"),
        ("mailed", "23h", True, "repeat"),
        ("registered", "23h", True, "repeat"),
        ("mailed", "24h", True, "pending"),
        ("registered", "24h", True, "pending"),
        ("mailed", "24h", False, "repeat"),
        ("mailed", "167h", False, "repeat"),
        ("mailed", "168h", False, "pending"),
        ("registered", "9999h", False, "repeat"),
    ],
)
async def test_what_a_known_address_gets(open_house, status, later, many, then):
    house = await open_house(registration={"multiple_users_per_email": many})
    assert await house.apply() == ()
    await become(house, 1, Status(status))
    house.clock.turn(hours=int(later[:-1]))
    assert await house.apply("ann2", "ANN@example.net", "198.51.100.9") == ()
    assert (await house.statuses())[1] == then
    assert len(await house.mails(2)) == (then == "pending")


async def test_spellings_of_one_mailbox_are_one_address(house):
    assert await house.apply("ann", "an.n@gmail.com") == ()
    assert await house.apply("bob", "A.NN+tag@googlemail.com", "198.51.100.9") == ()
    assert await house.apply("cid", "an.n@example.net", "198.51.100.9") == ()
    assert await house.apply("dan", "ann@example.net", "198.51.100.9") == ()
    assert await house.statuses() == ["pending", "repeat", "pending", "pending"]


async def test_a_held_name_is_refused_whatever_the_address(house):
    await house.apply()
    assert await house.codes("ann", "eve@example.net") == ["name_held"]
    assert await house.codes("ANN", "ann@example.net", "198.51.100.9") == ["name_held"]
    house.clock.turn(days=7)
    assert await house.codes("ann", "eve@example.net") == []


async def test_a_name_tells_nobody_whether_the_address_that_asked_for_it_was_known(house):
    await house.apply("ann", "ann@example.net")
    await house.apply("probe1", "ann@example.net", "192.0.2.1")  # known, so it is a repetition
    await house.apply("probe2", "new@example.net", "192.0.2.1")  # not known
    assert await house.statuses() == ["pending", "repeat", "pending"]
    told = [await house.codes(name, "eve@example.net") for name in ("probe1", "probe2")]
    assert told == [["name_held"], ["name_held"]]


@pytest.mark.parametrize("many", [True, False])
async def test_a_double_click_is_one_request(open_house, many):
    rules = {"multiple_users_per_email": many, "email_cooldown": "0"}
    house = await open_house(registration=rules)
    assert [await house.apply(), await house.apply()] == [(), ()]
    assert await house.statuses() == ["pending", "repeat"]


async def test_a_name_that_the_homeserver_has_is_refused(house):
    house.names.answers["ann"] = NameAvailability.TAKEN
    assert await house.codes() == ["name_taken"]
    assert (await house.rows())[0].refusals[0]["field"] == "requested_username"


async def test_a_homeserver_that_does_not_say_holds_nobody_up(house):
    house.names.usual = NameAvailability.UNKNOWN
    assert await house.codes() == []
    (row,) = await house.rows()
    assert (row.status, row.name_checked) == (Status.PENDING, False)


async def test_fifty_posts_of_one_address_give_one_mail(open_house):
    house = await open_house(registration={"limits": {"network": "99 per 1h"}})
    heard = await asyncio.gather(*(house.apply(f"ann{n}") for n in range(50)))
    assert heard == [()] * 50
    assert sorted(await house.statuses()) == ["pending"] + ["repeat"] * 49
    assert await house.owed() == 1


async def test_fifty_posts_of_one_name_give_one_acceptance(open_house):
    house = await open_house()
    heard = await asyncio.gather(
        *(house.codes("ann", f"ann{n}@example.net", f"203.0.{n}.1") for n in range(50))
    )
    assert sorted(heard) == [[]] + [["name_held"]] * 49
    assert await house.owed() == 1


@pytest.mark.parametrize("together", [True, False])
async def test_the_limit_of_a_network_is_exact(open_house, together):
    house = await open_house(registration={"limits": {"network": "3 per 1h"}})
    asking = [house.codes(f"n{n}x", f"n{n}@example.net", f"203.0.113.{n}") for n in range(9)]
    heard = await asyncio.gather(*asking) if together else [await each for each in asking]
    assert sorted(heard) == [[]] * 3 + [["too_many_from_network"]] * 6
    assert await house.codes("ox", "o@example.net", "203.0.114.1") == []


async def test_refused_requests_use_up_the_limit_and_time_gives_it_back(open_house):
    house = await open_house(registration={"limits": {"network": "2 per 1h"}})
    for _ in range(2):
        assert "name_malformed" in await house.codes("!")
    (refusal,) = await house.apply()
    assert refusal.detail == "2 from 203.0.113.0/24, the limit is 2 per 1h"
    house.clock.turn(hours=1, seconds=-1)
    assert await house.codes() == ["too_many_from_network"]
    house.clock.turn(seconds=1)
    assert await house.codes() == []  # two of an hour ago are out, that of a second ago is in


@pytest.mark.parametrize("together", [True, False])
async def test_the_limit_in_all_is_exact_and_refused_ones_do_not_count(open_house, together):
    house = await open_house(registration={"limits": {"network": None, "all": "5 per 1d"}})
    for n in range(9):
        await house.codes("!", f"x{n}@example.net", f"203.0.{n}.1")
    asking = [house.codes(f"n{n}x", f"n{n}@example.net", f"203.0.{n}.1") for n in range(9)]
    heard = await asyncio.gather(*asking) if together else [await each for each in asking]
    assert sorted(heard) == [[]] * 5 + [["too_many_in_all"]] * 4


async def test_a_slow_homeserver_lets_nobody_past_the_limit(open_house):
    """Requests that wait for the homeserver are decided in another order than they came."""
    house = await open_house(registration={"limits": {"network": "2 per 1h"}})
    waiting: list[asyncio.Event] = []

    async def wait() -> None:
        waiting.append(asyncio.Event())
        await waiting[-1].wait()

    house.names.before_answer = wait
    asking = []
    for n in range(6):
        asking.append(asyncio.create_task(house.codes(f"n{n}x", f"n{n}@example.net")))
        while len(waiting) <= n:
            await asyncio.sleep(0)
        house.clock.turn(seconds=1)
    for n in reversed(range(6)):
        waiting[n].set()
        await asking[n]
    assert [each.result() for each in asking[:4]] == [["too_many_from_network"]] * 4
    assert [each.result() for each in asking[4:]] == [[], []]


async def test_a_64_is_one_neighbourhood(open_house):
    house = await open_house(registration={"limits": {"network": "1 per 1h"}})
    assert await house.codes("n1x", "n1@example.net", "2001:db8::1") == []
    assert await house.codes("n2x", "n2@example.net", "2001:db8::ffff:1:2") == [
        "too_many_from_network"
    ]
    assert await house.codes("n3x", "n3@example.net", "2001:db8:0:1::1") == []


async def test_a_limit_of_none_is_no_limit_and_one_of_zero_closes(open_house):
    house = await open_house(registration={"limits": {"network": None, "all": None}})
    assert await house.codes() == []
    house = await open_house(registration={"limits": {"network": "0 per 1h"}})
    assert await house.codes("bob", "bob@example.net") == ["too_many_from_network"]


async def test_a_pause_between_the_look_and_the_decision_holds(house):
    async def pause() -> None:
        await house.hours.pause(MOD, None)

    house.names.before_answer = pause
    (refusal,) = await house.apply()
    assert (refusal.code, refusal.retry_after) == (Code.CLOSED, None)
    assert await house.owed() == 0


async def test_a_clock_set_back_neither_jams_nor_opens_the_desk(open_house):
    house = await open_house(registration={"limits": {"network": "2 per 1h"}})
    for n in range(2):
        assert await house.codes(f"n{n}x", f"n{n}@example.net") == []
    house.clock.turn(days=-300)
    assert await house.codes("n2x", "n2@example.net") == []
    assert await house.codes("other", "n0@example.net") == []  # known still
    assert await house.codes("n3x", "n3@example.net") == ["too_many_from_network"]
    assert await house.statuses() == ["pending"] * 3 + ["repeat", "refused"]


async def test_a_database_that_refuses_promises_nothing(house, monkeypatch):
    async def full(work: Any) -> None:
        raise OperationalError("INSERT", {"email": "x"}, sqlite3.OperationalError("disk is full"))

    monkeypatch.setattr(house.database, "write", full)
    with pytest.raises(NotRecorded):
        await house.apply()
    monkeypatch.undo()
    assert await house.rows() == []
    assert not house.bell.is_set()
    assert await house.apply() == ()


async def test_a_locked_database_promises_nothing_and_recovers(open_house, monkeypatch, capsys):
    monkeypatch.setattr("gateway.store.database._BUSY", 0.2)
    house = await open_house()
    other = sqlite3.connect(house.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(NotRecorded):
            await house.apply("ann", "ann@example.net")
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert await house.rows() == []
    said = capsys.readouterr()
    assert "database is locked" in said.out + said.err
    assert "example.net" not in said.out + said.err and "INSERT" not in said.out + said.err
    assert await house.apply() == ()
    assert await house.owed() == 1


async def test_a_desk_that_gets_nothing_written_is_busy_until_it_does(open_house):
    house = await open_house(registration={"limits": {"network": None, "all": None}})
    asking = [asyncio.create_task(house.apply(f"n{n}x", f"n{n}@example.net")) for n in range(64)]
    other = sqlite3.connect(house.database.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        async with asyncio.timeout(5):
            while not house.registrar.is_busy:
                await asyncio.sleep(0.001)
    finally:
        other.execute("ROLLBACK")
        other.close()
    assert await asyncio.gather(*asking) == [()] * 64
    assert not house.registrar.is_busy


async def test_a_full_disk_promises_nothing_and_recovers(open_house):
    house = await open_house(registration={"limits": {"network": None, "all": None}})
    await house.apply()

    def limit(pages: int) -> Any:
        return house.database.write(
            lambda c: c.exec_driver_sql(f"PRAGMA max_page_count={pages}").scalar()
        )

    await limit(1)  # SQLite takes the present size for it
    heard = await asyncio.gather(
        *(house.apply(f"n{n}x", f"n{n}@example.net", f"203.0.{n % 250}.1") for n in range(999)),
        return_exceptions=True,
    )
    lost = [each for each in heard if isinstance(each, NotRecorded)]
    assert lost and len(lost) + heard.count(()) == 999
    kept = await house.database.read(lambda c: registrations.counts(c, house.clock.now))
    assert kept == {Status.PENDING: heard.count(()) + 1}
    assert await house.owed() == heard.count(()) + 1
    await limit(1_000_000)
    assert await house.apply("bob", "bob@example.net", "198.51.100.1") == ()


async def test_a_mail_is_sent_again_by_command_for_live_requests_only(house):
    await house.apply()
    with pytest.raises(ValueError, match="There is no registration 9"):
        await house.resending.resend(9, MOD)
    with pytest.raises(ValueError, match="is on its way"):
        await house.resending.resend(1, MOD)
    await house.deliver()
    house.bell.clear()
    assert (await house.resending.resend(1, MOD)).name == "ann"
    assert house.bell.is_set()
    assert await house.audited() == [(MOD.who, "resend", "registration 1")]
    assert [each.status for each in await house.mails()] == ["sent", "queued"]
    await house.deliver()
    await become(house, 1, Status.REGISTERED)
    with pytest.raises(ValueError, match="is registered"):
        await house.resending.resend(1, MOD)


async def test_two_moderators_resend_one_mail(house):
    await house.apply()
    await house.deliver()
    asked = await asyncio.gather(
        *(house.resending.resend(1, replace(MOD, who=f"@m{n}:x")) for n in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(each, ValueError) for each in asked) == 4
    assert await house.owed() == 1


async def test_each_ban_that_a_request_meets_is_counted(house):
    await house.ban("ip", "203.0.113.0/24")
    await house.ban("email", "@example.net")
    await house.ban("name", "^a  # review")
    await house.codes("ann", "ann@example.net")
    await house.codes("bob", "bob@example.net", "198.51.100.1")
    values = [(Kind.IP, "203.0.113.0/24"), (Kind.EMAIL, "@example.net"), (Kind.NAME, "^a")]
    found = await house.database.read(lambda c: hits.of(c, values))
    assert [found[each].count for each in values] == [1, 2, 1]


async def test_beyond_a_mailboxs_limit_the_page_is_the_same_and_nothing_is_mailed(open_house):
    limits = {"email": "2 per 1d", "network": None}
    house = await open_house(
        registration={
            "email_cooldown": "0s",
            "multiple_users_per_email": True,
            "limits": limits,
        }
    )
    for number, spelling in enumerate(("a.nn@gmail.com", "ann+x@gmail.com", "ann@googlemail.com")):
        assert await house.codes(f"ann{number}", spelling) == []
    assert [each.status for each in await house.rows()] == ["pending", "pending", "repeat"]
    house.clock.turn(days=1)
    assert await house.codes("ann3", "ann@gmail.com") == []
    assert (await house.rows())[-1].status == "pending"


async def test_while_too_many_mails_wait_nobody_may_ask(open_house):
    house = await open_house(registration={"limits": {"waiting": 1}})
    assert await house.codes() == []
    (refusal,) = await house.apply("bob", "bob@example.net")
    assert (refusal.code, refusal.retry_after) == ("too_many_mails_wait", timedelta(minutes=10))
    await house.deliver()
    assert await house.codes("bob", "bob@example.net") == []
