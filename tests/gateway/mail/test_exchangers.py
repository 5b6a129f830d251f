"""Where mail for a domain goes, as a real question over UDP finds it."""

import time
from collections.abc import AsyncIterator

import pytest
import time_machine

from gateway.mail.exchangers import Exchangers, NoWord
from tests.stand_ins.name_server import NameServer


@pytest.fixture
async def dns() -> AsyncIterator[NameServer]:
    server = NameServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def exchangers(dns: NameServer) -> Exchangers:
    return Exchangers(("127.0.0.1", dns.port))


async def test_the_hosts_of_a_domain_are_told_in_lower_case(dns, exchangers):
    dns.tell("firm.example", "MX", "10 MX1.Firm.example.", "20 mx2.firm.example.")
    assert set(await exchangers.of("firm.example")) == {"mx1.firm.example", "mx2.firm.example"}
    assert dns.asked == [("firm.example", "MX")]


@pytest.mark.parametrize(("kind", "address"), [("A", "192.0.2.1"), ("AAAA", "2001:db8::1")])
async def test_a_domain_with_an_address_alone_takes_its_mail_itself(dns, exchangers, kind, address):
    dns.tell("firm.example", kind, address)
    assert await exchangers.of("firm.example") == ("firm.example",)


async def test_a_domain_that_does_not_exist_takes_none(dns, exchangers):
    assert await exchangers.of("nowhere.example") == ()
    assert dns.asked == [("nowhere.example", "MX")]


async def test_a_domain_that_says_so_takes_none(dns, exchangers):
    dns.tell("quiet.example", "MX", "0 .")
    dns.tell("quiet.example", "A", "192.0.2.1")
    assert await exchangers.of("quiet.example") == ()


async def test_a_domain_with_neither_mail_server_nor_address_takes_none(dns, exchangers):
    dns.tell("bare.example", "TXT", '"nothing"')
    assert await exchangers.of("bare.example") == ()
    assert [kind for _, kind in dns.asked] == ["MX", "A", "AAAA"]


@pytest.mark.parametrize("domain", ["broken.example", f"{'a' * 64}.example", "a..example"])
async def test_no_answer_is_no_word(dns, exchangers, domain):
    dns.moods["broken.example"] = "broken"
    with pytest.raises(NoWord):
        await exchangers.of(domain)


async def test_a_silent_name_server_is_waited_for_a_while(dns, exchangers, monkeypatch):
    monkeypatch.setattr("gateway.mail.exchangers._PATIENCE", 0.1)
    dns.moods["silent.example"] = "silent"
    with pytest.raises(NoWord):
        await exchangers.of("silent.example")
    assert dns.asked == [("silent.example", "MX")]


async def test_a_name_server_that_is_away_is_no_word(dns, monkeypatch):
    monkeypatch.setattr("gateway.mail.exchangers._PATIENCE", 0.1)
    port = dns.port
    await dns.stop()
    with pytest.raises(NoWord):
        await Exchangers(("127.0.0.1", port)).of("firm.example")


@pytest.mark.parametrize("has_soa", [True, False])
async def test_an_answer_is_kept_for_five_minutes_at_most(dns, exchangers, has_soa):
    dns.has_soa = has_soa
    for _ in range(2):
        assert await exchangers.of("late.example") == ()
    assert len(dns.asked) == 1
    dns.tell("late.example", "MX", "10 mx.late.example.")
    with time_machine.travel(time.time() + 301, tick=True):
        assert await exchangers.of("late.example") == ("mx.late.example",)
        assert len(dns.asked) == 2


async def test_no_more_than_so_many_answers_are_kept(dns, monkeypatch):
    monkeypatch.setattr("gateway.mail.exchangers._KEPT", 2)
    exchangers = Exchangers(("127.0.0.1", dns.port))
    for domain in ("a.example", "b.example", "c.example", "a.example"):
        await exchangers.of(domain)
    assert [name for name, _ in dns.asked] == ["a.example", "b.example", "c.example", "a.example"]


async def test_without_a_name_server_of_its_own_the_systems_is_asked(dns, monkeypatch):
    asked = []

    def read(resolver, *_):
        asked.append("system")
        resolver.nameservers, resolver.port = ["127.0.0.1"], dns.port

    monkeypatch.setattr("dns.resolver.BaseResolver.read_resolv_conf", read)
    dns.tell("firm.example", "MX", "10 mx.firm.example.")
    assert await Exchangers(None).of("firm.example") == ("mx.firm.example",)
    assert asked == ["system"]
