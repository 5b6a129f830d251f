"""What a ban would hit, before it is given."""

from datetime import timedelta
from ipaddress import ip_address

import pytest

from gateway.rules.bans import Kind, parse_line
from gateway.store import audit, registrations
from gateway.store.audit import Author
from gateway.store.registrations import Request, Status
from gateway.stories.foresight import LOOKED_BACK, Concern, Foresight
from tests.gateway.conftest import NOW

MOD = Author("@mod:example.org", "$event")


class Maps:
    """Knows where everybody is."""

    def __init__(self):
        self.users, self.hosts = {}, {}

    async def of_user(self, user, since):
        assert since < NOW
        return {ip_address(each) for each in self.users.get(user, ())}

    async def of_host(self, host):
        return {ip_address(each) for each in self.hosts.get(host, ())}


@pytest.fixture
def maps():
    return Maps()


@pytest.fixture
def foresee(house, maps):
    """The concerns about some bans: `ip 203.0.113.0/24`."""
    foresight = Foresight(
        settings=house.settings, database=house.database, whereabouts=maps, clock=house.clock
    )

    async def look(*bans):
        read = [parse_line(Kind(kind), value) for kind, value in map(str.split, bans)]
        return await foresight.look(MOD, read)

    look.waiting = lambda *bans: foresight.waiting(
        [parse_line(Kind(kind), value) for kind, value in map(str.split, bans)]
    )
    return look


async def remember(house, number, status=Status.REGISTERED, at=NOW, **more):
    """A request as it is kept; each comes from a network of its own."""
    name = more.get("name", f"name{number}")
    email = more.get("email", f"person{number}@domain{number}.example")
    ip = more.get("ip", f"198.51.{number}.1")
    request = Request(name, email, email, ip, "", "en")
    return await house.database.write(
        lambda c: registrations.add(c, request, status, at, held_until=at, name_checked=True)
    )


async def test_an_ordinary_ban_raises_no_concern(house, foresee):
    for number in range(40):
        await remember(house, number)
    prospect = await foresee("ip 203.0.113.0/24", "email @spam.example", "name ^free")
    assert (prospect.concerns, prospect.good, prospect.looked_at) == ((), 0, 40)


async def test_special_ranges_and_proxies_are_named(open_house, maps):
    house = await open_house(web={"trusted_proxies": ["203.0.113.0/28", "2001:db8::1"]})
    foresight = Foresight(
        settings=house.settings, database=house.database, whereabouts=maps, clock=house.clock
    )
    bans = [parse_line(Kind.IP, each) for each in ("192.168.1.1", "203.0.113.7", "2001:db9::/32")]
    assert (await foresight.look(MOD, bans)).concerns == (
        Concern("special ranges: ", "192.168.0.0/16 (private)"),
        Concern("a trusted proxy: ", "203.0.113.0/28"),
    )


async def test_the_networks_of_those_who_act_are_named(house, foresee, maps):
    maps.users = {
        "@mod:example.org": ["203.0.113.200"],
        "@other:example.org": ["2001:db8:1::5"],
        "@gone:example.org": ["198.51.100.1"],
        "@far:elsewhere.example": ["192.0.2.1"],
    }
    days = {"@other:example.org": 3, "@gone:example.org": 60, "@far:elsewhere.example": 1}
    for who, ago in days.items():
        at = NOW - timedelta(days=ago)
        await house.database.write(
            lambda c, who=who, at=at: audit.note(c, Author(who), "pause", "desk", at)
        )
    prospect = await foresee(
        "ip 203.0.113.7", "ip 2001:db8::/32", "ip 198.51.100.1", "ip 192.0.2.1"
    )
    assert prospect.concerns == (
        Concern("your own network: ", "203.0.113.0/24"),
        Concern("the network of somebody who acts here: ", "2001:db8:1::/64 (@other:example.org)"),
    )


async def test_where_a_moderator_asked_for_his_account_counts_too(house, foresee):
    await remember(house, 1, name="mod", ip="203.0.113.9")
    await remember(house, 2, name="mod", ip="192.0.2.9", status=Status.REFUSED)
    prospect = await foresee("ip 203.0.113.0/24", "ip 192.0.2.0/24")
    assert Concern("your own network: ", "203.0.113.0/24") in prospect.concerns
    assert "192.0.2.0/24" not in [each.value for each in prospect.concerns]


async def test_our_own_servers_and_mails_are_named(house, foresee, maps):
    maps.hosts = {"127.0.0.1": ["203.0.113.5"]}
    prospect = await foresee("ip 203.0.113.0/24", "email @example.org", "email @gmail.com")
    assert prospect.concerns == (
        Concern("our own server 127.0.0.1: ", "203.0.113.5"),
        Concern("our own mail domain: ", "example.org"),
        Concern("everybody at big mail providers: ", "gmail.com, googlemail.com"),
    )


async def test_more_than_the_share_of_good_registrations_is_a_concern(house, foresee):
    for number in range(40):
        await remember(house, number, ip=f"203.0.113.{number}" if number < 3 else "192.0.2.1")
    prospect = await foresee("ip 203.0.113.0/31")  # two of forty: no more than 5%
    assert (prospect.concerns, prospect.good) == ((), 2)
    prospect = await foresee("ip 203.0.113.0/24")
    assert prospect.concerns == (
        Concern("3 of the last 40 who registered well: ", "name2, name1, name0"),
    )


@pytest.mark.parametrize(
    ("bans", "concerned"),
    [
        (["email person1@domain1.example"], False),
        (["ip 198.51.1.1", "email person2@domain2.example"], False),
        (["ip 198.51.3.1"], True),  # three persons behind one address
        (["email @domain1.example"], True),
        (["name ^name1$"], True),
    ],
)
async def test_one_address_of_one_person_is_never_asked_for(house, foresee, bans, concerned):
    for number in range(1, 6):
        await remember(house, number, ip=f"198.51.{min(number, 3)}.1")
    prospect = await foresee(*bans)
    assert bool(prospect.concerns) is concerned
    assert prospect.good > 0


async def test_only_good_requests_of_the_last_ninety_days_count(house, foresee):
    long_ago = NOW - LOOKED_BACK - timedelta(days=1)
    await remember(house, 1, at=long_ago)
    await remember(house, 2, status=Status.REFUSED)
    await remember(house, 3, status=Status.REJECTED)
    assert (await foresee("name ^name")).looked_at == 0
    await remember(house, 4, status=Status.MAILED)
    assert (await foresee("name ^name")).good == 1


async def test_open_requests_that_a_ban_hits_are_found(house, foresee):
    for number, status in enumerate(Status):
        await remember(house, number, status)
    found = {each.name for each in await foresee.waiting("name ^name")}
    open_ones = (Status.REVIEW, Status.PENDING, Status.FAILED, Status.MAILED)
    assert found == {f"name{[*Status].index(status)}" for status in open_ones}
    assert await foresee.waiting("name ^other") == []
