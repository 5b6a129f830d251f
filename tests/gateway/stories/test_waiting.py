"""A request waits for a person: why, what the room reads, and that nobody learns whose address we
know from it."""

import asyncio
import sqlite3
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.homeserver.homeserver import NameAvailability
from gateway.rules.bans import Ban, Kind
from gateway.store import outbox
from gateway.store.audit import Author
from gateway.stories.registration import NotRecorded, Verdict
from tests.gateway.conftest import text_of

MOD = Author("@mod:example.org", "$event")
LOOKED_AT = Verdict(is_looked_at=True)
GRANTED = Verdict()
WIDE = {"limits": {"network": None, "all": None}}


async def ban_for_review(house: Any, kind: Kind, value: str) -> None:
    await house.bans.add([Ban(kind, value, review=True)])


async def test_a_ban_line_for_review_makes_a_request_wait(house):
    await ban_for_review(house, Kind.NAME, "^adm")
    assert await house.hear("admiral") == LOOKED_AT
    assert await house.hear("bob", "bob@example.net") == GRANTED
    assert await house.statuses() == ["review", "pending"]
    (row, _) = await house.rows()
    assert row.reviews == ({"code": "ban", "detail": "^adm"},)
    assert "a ban asks for a look, `^adm`\n" in (await house.alerts())["review 1"][1]


async def test_a_refusal_beats_a_review(open_house):
    house = await open_house(review={"all": True})
    await ban_for_review(house, Kind.NAME, "^adm")
    await house.ban("email", "@spam.example")
    verdict = await house.hear("admiral", "x@spam.example")
    assert [each.code for each in verdict.refusals] == ["email_banned"]
    assert not verdict.is_looked_at
    (row,) = await house.rows()
    assert (row.status, row.reviews) == ("refused", ())
    assert await house.owed() == 0
    assert await house.alerts() == {}


async def test_a_throw_away_address_is_looked_at(open_house):
    house = await open_house(addresses={"throwaway": "review"})
    assert await house.hear("ann", "ann@mail.yopmail.com") == LOOKED_AT
    assert await house.hear("bob", "bob@gmail.com") == GRANTED


@pytest.mark.parametrize("together", [True, False])
async def test_those_beyond_the_limit_are_looked_at(open_house, together):
    house = await open_house(registration=WIDE, review={"after": "3 per 1d"})
    await house.codes("!")  # a refused one counts for nothing
    asking = [house.hear(f"n{n}x", f"n{n}@example.net", f"203.0.{n}.1") for n in range(8)]
    heard = await asyncio.gather(*asking) if together else [await each for each in asking]
    assert (heard.count(GRANTED), heard.count(LOOKED_AT)) == (3, 5)
    house.clock.turn(days=1)
    assert await house.hear("later", "later@example.net") == GRANTED


async def test_a_network_is_new_until_an_account_comes_of_it(open_house):
    house = await open_house(review={"new_networks": True})
    assert await house.hear("ann", "ann@example.net", "203.0.113.1") == LOOKED_AT
    assert await house.hear("bob", "bob@example.net", "203.0.113.2") == LOOKED_AT
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    # A moderator's yes alone would tell the next visitor that ann's address was not known.
    assert await house.hear("cid", "cid@example.net", "203.0.113.3") == LOOKED_AT
    house.names.answers["ann"] = NameAvailability.TAKEN
    await house.use_token(1)
    await house.accounts.look()
    assert await house.hear("dan", "dan@example.net", "203.0.113.4") == GRANTED
    assert await house.hear("eva", "eva@example.net", "203.0.114.4") == LOOKED_AT


async def test_a_flood_of_refused_requests_does_not_make_the_next_ones_slow(open_house):
    house = await open_house(review={"new_networks": True})
    for n in range(10):
        await house.codes("!", f"n{n}@example.net", "203.0.113.1")
    steps = []

    async def work(name):
        """How much the database does for one more request beyond the limit."""
        steps.clear()
        await house.codes(name, f"{name}@example.net", "203.0.113.1")
        return len(steps)

    def watch(connection):
        driver = connection.connection.dbapi_connection
        driver.set_progress_handler(lambda: steps.append(1), 100)

    def repeat(connection):
        columns = "created_at, name, email, email_key, domain, ip, network, language, status"
        columns += ", refusals, reviews, name_checked, held_until"
        connection.exec_driver_sql(
            f"INSERT INTO registrations ({columns}) SELECT {columns} FROM registrations,"
            " (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
            " SELECT i FROM n) WHERE status = 'refused'"
        )

    await house.database.write(watch)
    few = await work("before")
    await house.database.write(repeat)
    assert await work("after") < few + 50


async def test_networks_that_were_served_before_the_look_began_are_not_new(open_house):
    house = await open_house()
    await house.apply("ann", "ann@example.net", "203.0.113.1")
    await house.apply("!", "x", "203.0.114.1")
    careful = await open_house(review={"new_networks": True})
    assert await careful.hear("bob", "bob@example.net", "203.0.113.2") == GRANTED
    assert await careful.hear("cid", "cid@example.net", "203.0.114.2") == LOOKED_AT


CAUTIONS = [
    {"all": True},
    {"new_networks": True},
    {"after": "1 per 1d"},
    {"all": True, "new_networks": True, "after": "2 per 1h"},
]
ASKED = ("one", "ann@yopmail.com", "192.0.2.1")  # for the address in question
PROBES = [
    ("one", "eve@example.net", "192.0.2.1"),  # is its name held?
    ASKED,
    ("two", "eve@yopmail.com", "192.0.2.2"),  # is its network familiar now?
    ("two", "ann@yopmail.com", "198.51.100.1"),
]


@pytest.mark.parametrize("decision", ["none", "approve", "reject", "reopen"])
@pytest.mark.parametrize("caution", CAUTIONS, ids=str)
async def test_a_known_address_hears_what_an_unknown_one_hears(open_house, caution, decision):
    """The same questions to two desks: one knows the address, the other does not."""
    told = []
    for known in (True, False):
        house = await open_house(state=f"{known}", registration=WIDE, review=caution)
        await house.apply("old", "ann@yopmail.com" if known else "bob@yopmail.com")
        heard = [await house.hear(*ASKED)]
        statuses = await house.statuses()
        assert statuses[1] == (
            "repeat" if known else "review" if heard[0].is_looked_at else "pending"
        )
        if statuses[1] == "review" and decision != "none":
            await house.reviews.approve(MOD, 2)
            if decision == "reject":
                await house.reviews.reject(MOD, 2)
            if decision == "reopen":
                await house.reviews.reopen(MOD, 2)
        for days in (0, 6, 2, 5, 2):
            house.clock.turn(days=days)
            heard += [await house.hear(*probe) for probe in PROBES]
        told.append(heard)
    assert told[0] == told[1]


async def test_a_known_address_leaves_no_trace_in_the_room_and_no_mail(open_house):
    house = await open_house(review={"all": True})
    assert await house.hear() == LOOKED_AT
    assert await house.hear("ann2") == LOOKED_AT
    assert await house.statuses() == ["review", "repeat"]
    assert await house.owed() == 1
    assert list(await house.alerts()) == ["review 1"]


async def test_fifty_posts_of_one_address_wait_once(open_house):
    house = await open_house(registration=WIDE, review={"all": True})
    heard = await asyncio.gather(*(house.hear(f"ann{n}") for n in range(50)))
    assert heard == [LOOKED_AT] * 50
    assert sorted(await house.statuses()) == ["repeat"] * 49 + ["review"]
    assert await house.owed() == 1
    assert [cause for cause in await house.alerts() if cause.startswith("review")] == ["review 1"]


async def test_fifty_posts_of_one_name_wait_once(open_house):
    house = await open_house(review={"all": True})
    heard = await asyncio.gather(
        *(house.hear("ann", f"ann{n}@example.net", f"203.0.{n}.1") for n in range(50))
    )
    assert heard.count(LOOKED_AT) == 1
    assert sorted(await house.statuses()) == ["refused"] * 49 + ["review"]


async def test_a_flood_has_ten_messages_and_one_that_counts_the_rest(open_house):
    house = await open_house(registration=WIDE, review={"all": True})
    for n in range(30):
        await house.hear(f"n{n}x", f"n{n}@example.net", f"203.0.{n}.1")
    told = await house.alerts()
    assert list(told) == [*(f"review {n + 1}" for n in range(10)), "review crowd"]
    count, text = told["review crowd"]
    assert count == 20 and "`review` lists them all" in text
    await house.reviews.approve_all(MOD, range(1, 30))
    assert "`review`" in (await house.alerts())["review crowd"][1]
    await house.reviews.reject(MOD, 30)
    assert (await house.alerts())["review crowd"][1] == "All requests that waited are decided"
    house.clock.turn(hours=2)
    await house.hear("late", "late@example.net", "203.0.99.1")
    assert "review 31" in await house.alerts()


async def test_what_an_applicant_chose_stays_set_apart_in_the_message(open_house):
    house = await open_house(review={"all": True})
    assert await house.hear("ann", "`ann`@example.net") == LOOKED_AT
    (text,) = [text for _, text in (await house.alerts()).values()]
    assert "address `'…@example.net`" in text
    assert text.count("`") % 2 == 0


async def test_a_name_is_held_while_it_waits_and_for_opening_the_account(open_house):
    house = await open_house(review={"all": True})
    await house.hear()
    house.clock.turn(days=13, hours=23)
    assert await house.codes("ann", "eve@example.net") == ["name_held"]
    house.clock.turn(hours=1)
    assert await house.codes("ann", "eve@example.net") == []
    with pytest.raises(ValueError, match="Registration 3 has the name of registration 1"):
        await house.reviews.approve(MOD, 1)
    await house.reviews.reject(MOD, 3)
    assert (await house.reviews.approve(MOD, 1)).held_until == house.clock() + timedelta(days=7)


async def test_a_review_mail_that_cannot_be_delivered_leaves_the_decision_open(open_house, post):
    house = await open_house(review={"all": True})
    await house.hear()
    post.answers.append("550 no such user")
    await house.deliver()
    assert await house.statuses() == ["review"]
    text = (await house.alerts())["mail 1"][1]
    assert text.endswith("was given up: `The mail server answered 550 no such user`")
    assert (await house.mails())[0].status == "failed"


async def test_a_late_review_mail_is_not_sent_after_the_decision(open_house, post):
    house = await open_house(review={"all": True})
    await house.hear()
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    (mail,) = post.mails
    assert "registration token:" in text_of(mail)
    assert [each.status for each in await house.mails()] == ["cancelled", "sent"]


async def test_a_review_mail_on_its_way_when_the_decision_falls_changes_nothing(open_house, post):
    house = await open_house(review={"all": True})
    await house.hear()
    (mail,) = await house.courier.claim(9)
    await house.reviews.reject(MOD, 1)
    await house.courier.deliver(mail)
    assert post.mails == [] and await house.statuses() == ["rejected"]


async def test_the_courier_keeps_no_review_line_against_an_approved_request(house, post):
    await ban_for_review(house, Kind.NAME, "^adm")
    await house.hear("admiral")
    await house.deliver()
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    assert await house.statuses() == ["mailed"]
    assert len(post.mails) == 2


@pytest.mark.parametrize("first", ["ban", "approve"])
async def test_a_ban_that_came_meanwhile_holds_for_an_approved_request(open_house, post, first):
    house = await open_house(review={"all": True})
    await house.hear()
    await house.deliver()
    steps = [house.ban("email", "@example.net"), house.reviews.approve(MOD, 1)]
    for step in steps if first == "ban" else reversed(steps):
        await step
    await house.deliver()
    assert await house.statuses() == ["rejected"]
    assert len(post.mails) == 1  # the one that said that a person looks
    assert ("porter", "reject", "registration 1") in await house.audited()


async def test_a_ban_before_the_review_mail_ends_the_wait(open_house, post):
    house = await open_house(review={"all": True})
    await house.hear()
    await house.ban("email", "@example.net")
    await house.deliver()
    assert await house.statuses() == ["rejected"] and post.mails == []
    assert "was rejected by `porter`: `@example.net`" in (await house.alerts())["review 1"][1]


@pytest.mark.parametrize("wanted", [True, False])
async def test_a_rejection_is_mailed_only_if_the_operator_wants_it(open_house, post, wanted):
    house = await open_house(review={"all": True, "rejection_mail": wanted})
    await house.hear()
    await house.deliver()
    await house.reviews.reject(MOD, 1, "he sold us carpets")
    await house.deliver()
    assert len(post.mails) == 1 + wanted
    for mail in post.mails[1:]:
        assert "did not grant it" in text_of(mail)
        assert "carpets" not in mail.as_string()
    assert await house.database.read(outbox.depth) == (0, None)


async def test_a_rejection_taken_back_in_time_is_not_mailed(open_house, post):
    house = await open_house(review={"all": True, "rejection_mail": True})
    await house.hear()
    await house.deliver()
    await house.reviews.reject(MOD, 1)
    await house.reviews.reopen(MOD, 1)
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    assert "registration token:" in text_of(post.mails[1]) and len(post.mails) == 2


async def test_a_known_address_costs_the_database_the_same_work(open_house):
    house = await open_house(review={"all": True})
    done: list[str] = []
    await house.database.write(
        lambda c: c.connection.dbapi_connection.set_trace_callback(done.append)
    )

    async def work(name: str, email: str) -> list[str]:
        done.clear()
        assert await house.hear(name, email) == LOOKED_AT
        return [" ".join(each.split()[:3]) for each in done if "SAVEPOINT" not in each]

    await work("ann", "ann@example.net")
    unknown = await work("bob", "bob@example.net")
    known = await work("cid", "ann@example.net")
    assert await house.statuses() == ["review", "review", "repeat"]
    assert len(unknown) > 10
    assert known == unknown


async def test_a_question_that_cannot_be_written_promises_nothing(open_house, monkeypatch):
    house = await open_house(review={"all": True})

    def full(*_: Any) -> None:
        raise OperationalError("INSERT", {}, sqlite3.OperationalError("disk is full"))

    monkeypatch.setattr("gateway.stories.registration.announce", full)
    with pytest.raises(NotRecorded):
        await house.hear()
    monkeypatch.undo()
    assert await house.rows() == [] and await house.owed() == 0
    assert await house.hear() == LOOKED_AT
    assert (await house.statuses(), await house.owed()) == (["review"], 1)
