"""A mail's destination: what the DNS says about it delays a mail or asks a person, never more."""

import pytest

from gateway.store.audit import Author
from tests.gateway.conftest import text_of
from tests.stand_ins.name_server import NameServer

MOD = Author("@mod:example.org", "$event")
BOT = {"user": "@porter:example.org", "password": "hush", "room": "!mods:example.org"}


@pytest.fixture
async def dns():
    server = NameServer()
    server.tell("example.net", "MX", "10 mx.example.net.")
    server.tell("brief.example", "MX", "10 smtp.yopmail.com.")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def open_asking(open_house, dns):
    """Opens a house that asks the DNS, with some keys of `addresses` changed."""

    async def open_it(bot=BOT, **addresses):
        asking = {"mx": True, "resolver": f"127.0.0.1:{dns.port}", "throwaway": "review"}
        return await open_house(addresses=asking | addresses, bot=bot)

    return open_it


async def test_a_domain_that_takes_mail_gets_it_at_once(open_asking, dns, post):
    house = await open_asking()
    await house.apply()
    assert dns.asked == []  # the applicant does not wait for it
    await house.deliver()
    assert await house.statuses() == ["mailed"]
    assert len(post.mails) == 1 and dns.asked == [("example.net", "MX")]


async def test_where_nobody_takes_mail_a_person_looks_and_nothing_is_mailed(open_asking, post):
    house = await open_asking()
    assert await house.apply("ann", "ann@nowhere.example") == ()
    house.bell.clear()
    await house.deliver()
    await house.deliver()
    assert await house.statuses() == ["review"]
    assert post.mails == [] and await house.owed() == 0
    (row,) = await house.rows()
    assert row.reviews == ({"code": "no_mail_server", "detail": "nowhere.example"},)
    text = (await house.alerts())["review 1"][1]
    assert "Looked at because: nobody takes mail for its domain, `nowhere.example`\n" in text
    assert house.source.in_force == {}  # no token was made for it


async def test_mail_to_a_throw_away_domain_asks_a_person_and_says_so(open_asking, post):
    house = await open_asking()
    await house.apply("ann", "ann@brief.example")
    await house.deliver()
    assert await house.statuses() == ["review"] and house.bell.is_set()
    await house.deliver()
    (mail,) = post.mails
    assert "registration token:" not in text_of(mail)
    assert [each.kind for each in await house.mails()] == ["token", "review"]
    text = (await house.alerts())["review 1"][1]
    assert "its mail goes to a throw-away domain, `yopmail.com`" in text


async def test_an_approved_request_is_not_asked_about_again(open_asking, dns, post):
    house = await open_asking()
    await house.apply("ann", "ann@nowhere.example")
    await house.deliver()
    asked = [*dns.asked]
    house.courier._destinations._exchangers._cache.flush()
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    assert await house.statuses() == ["mailed"]
    assert len(post.mails) == 1 and dns.asked == asked


async def test_a_request_that_a_moderator_sent_on_is_not_held_up_again(open_asking, post):
    house = await open_asking()
    await house.apply("ann", "ann@nowhere.example")
    await house.reviews.reject(MOD, 1)
    await house.reviews.reopen(MOD, 1)
    await house.reviews.approve(MOD, 1)
    await house.deliver()
    assert await house.statuses() == ["mailed"] and len(post.mails) == 1


@pytest.mark.parametrize("mood", ["broken", "silent"])
async def test_a_dns_that_does_not_answer_delays_a_mail_and_no_more(
    open_asking, dns, post, monkeypatch, mood
):
    monkeypatch.setattr("gateway.mail.exchangers._PATIENCE", 0.2)
    dns.moods["example.net"] = mood
    house = await open_asking()
    await house.apply()
    await house.deliver()
    (mail,) = await house.mails()
    assert (mail.status, mail.attempts) == ("queued", 0)
    assert mail.due_at > house.clock() and post.mails == []
    house.clock.turn(seconds=100)
    await house.deliver()
    assert post.mails == []
    house.clock.turn(minutes=2)
    await house.deliver()
    assert await house.statuses() == ["mailed"] and len(post.mails) == 1
    assert await house.alerts() == {}


async def test_a_clock_that_is_set_back_does_not_hold_a_mail(open_asking, dns, post):
    dns.moods["example.net"] = "broken"
    house = await open_asking()
    await house.apply()
    house.clock.turn(days=-1)
    await house.deliver()
    assert await house.statuses() == ["mailed"] and len(post.mails) == 1


async def test_a_dns_that_comes_back_is_believed(open_asking, dns):
    dns.moods["nowhere.example"] = "broken"
    house = await open_asking()
    await house.apply("ann", "ann@nowhere.example")
    await house.deliver()
    assert await house.statuses() == ["pending"]
    dns.moods.clear()
    house.clock.turn(minutes=1)
    await house.deliver()
    assert await house.statuses() == ["review"]


@pytest.mark.parametrize(
    ("email", "addresses"),
    [
        ("ann@gmail.com", {}),
        ("ann@mail.nowhere.example", {"good_domains": ["nowhere.example"]}),
        ("ann@nowhere.example", {"only_domains": ["nowhere.example"]}),
        ("ann@nowhere.example", {"mx": False}),
        ("ann@nowhere.example", {"bot": None}),
    ],
)
async def test_whom_nobody_doubts_nobody_asks_about(open_asking, dns, post, email, addresses):
    house = await open_asking(**addresses)
    await house.apply("ann", email)
    await house.deliver()
    assert await house.statuses() == ["mailed"]
    assert dns.asked == [] and len(post.mails) == 1


async def test_a_known_address_is_answered_alike_and_nobody_asks_the_dns(open_asking, dns):
    house = await open_asking()
    first = await house.hear("ann", "ann@nowhere.example")
    await house.deliver()
    asked = [*dns.asked]
    assert await house.hear("bob", "ann@nowhere.example") == first
    await house.deliver()
    assert await house.statuses() == ["review", "repeat"] and dns.asked == asked


async def test_a_request_that_ended_meanwhile_stays_as_it_is(open_asking, post):
    house = await open_asking()
    await house.apply("ann", "ann@nowhere.example")
    (mail,) = await house.courier.claim(9)
    of = house.courier._destinations._exchangers.of

    async def slowly(domain):
        await house.reviews.reject(MOD, 1)
        return await of(domain)

    house.courier._destinations._exchangers.of = slowly
    await house.courier.deliver(mail)
    assert await house.statuses() == ["rejected"] and post.mails == []
    assert await house.alerts() == {}


async def test_a_mail_that_failed_is_not_asked_about_again(open_asking, dns, post):
    house = await open_asking()
    await house.apply()
    post.answers.append("451 later")
    await house.deliver()
    dns.records.clear()
    house.courier._destinations._exchangers._cache.flush()
    house.clock.turn(minutes=5)
    await house.deliver()
    assert await house.statuses() == ["mailed"] and len(dns.asked) == 1
