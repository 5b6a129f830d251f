"""Requests are found by what a moderator has in his hand."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.networks import neighbourhood
from gateway.store import registrations
from gateway.store.registrations import Request, Status
from gateway.store.schema import registrations as rows
from gateway.store.search import Wanted, _conditions, _member, _near, both, find, understood

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
PEOPLE = [
    ("ann", "Ann.B+x@gmail.com", "203.0.113.7"),
    ("bob", "bob@spam.example.org", "203.0.99.7"),
    ("eve", "eve@example.org", "2001:db8:0:1::7"),
    ("mallory_", "m@notexample.org", "2001:db8::9"),
    ("ann2", "a%b@other.net", "198.51.100.4"),
]


@pytest.fixture
async def search(database):
    """A function that says which names are found."""

    def fill(connection):
        for number, (name, email, ip) in enumerate(PEOPLE):
            address = parse_address(email)
            network = str(neighbourhood(ip_address(ip)))
            request = Request(name, address.text, address.key, ip, network, "en")
            status = Status.REFUSED if number % 2 else Status.PENDING
            at = NOW + number * HOUR
            registrations.add(connection, request, status, at, held_until=at, name_checked=True)

    await database.write(fill)

    async def names(text="", most=100, **more):
        wanted = both(Wanted(**more), understood(text))
        return [each.name for each in await database.read(lambda c: find(c, wanted, most))]

    return names


async def test_the_newest_stand_first_and_no_more_than_asked_for(search):
    assert await search() == ["ann2", "mallory_", "eve", "bob", "ann"]
    assert await search(most=2) == ["ann2", "mallory_"]
    assert await search("0.0.0.0/1", most=1) == []
    assert await search("128.0.0.0/1", most=2) == ["ann2", "bob"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("ANN", ["ann2", "ann"]),
        ("203.0.1", ["ann"]),
        ("annb@googlemail.com", ["ann"]),
        ("a.n.n.b+other@gmail.com", ["ann"]),
        ("203.0.113.7", ["ann"]),
        ("203.0.113.8", []),
        ("203.0.113.0/25", ["ann"]),
        ("203.0.113.128/25", []),
        ("203.0.113.99/24", ["ann"]),
        ("203.0.96.0/19", ["bob", "ann"]),
        ("203.0.0.0/16", ["bob", "ann"]),
        ("192.0.0.0/4", ["ann2", "bob", "ann"]),
        ("::ffff:203.0.113.7", ["ann"]),
        ("2001:db8::/32", ["mallory_", "eve"]),
        ("2001:0DB8::/64", ["mallory_"]),
        ("2001:db8:0:1::/64", ["eve"]),
        ("2001:db8:0:1::7", ["eve"]),
        ("2000::/3", ["mallory_", "eve"]),
        ("@example.org", ["eve", "bob"]),
        ("@spam.example.org", ["bob"]),
        ("_", ["mallory_"]),
        ("%", ["ann2"]),
        ("999.0.0.1", []),
        ("nothing", []),
    ],
)
async def test_what_is_typed_is_understood(search, text, names):
    assert await search(text) == names


async def test_wishes_are_joined(search):
    assert await search(statuses=[Status.REFUSED]) == ["mallory_", "bob"]
    both_states = [Status.REFUSED, Status.PENDING]
    assert await search("@example.org", statuses=both_states) == ["eve", "bob"]
    assert await search(since=NOW + HOUR, until=NOW + 3 * HOUR) == ["eve", "bob"]
    assert await search("ann", network=ip_network("198.51.100.0/24")) == ["ann2"]
    assert await search("bob", domain="gmail.com") == []


async def test_no_domain_is_one_sentence():
    with pytest.raises(ValueError, match="is no domain: write"):
        understood("@..")


@given(
    st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6, network="2000::/3")),
    st.integers(1, 128),
)
def test_an_address_is_a_member_of_its_networks_alone(address, length):
    length = min(length, address.max_prefixlen)
    network = ip_network((address, length), strict=False)
    is_within = _member(network)
    assert is_within(str(address))
    other = (
        ip_network((int(network.network_address) ^ (1 << (address.max_prefixlen - length)), length))
        if address.version == 4
        else None
    )
    if other is not None:
        assert not is_within(str(other.network_address))
    assert not is_within("::1" if address.version == 4 else "192.0.2.1")


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (understood("203.0.113.7"), "registrations_by_network"),
        (understood("203.0.0.0/16"), "registrations_by_network"),
        (understood("2001:db8::/32"), "registrations_by_network"),
        (understood("ann@gmail.com"), "registrations_by_email"),
        (Wanted(statuses=(Status.REVIEW,)), "registrations_by_status"),
        (Wanted(since=NOW), "registrations_by_time"),
        (
            Wanted("ann", since=NOW, statuses=(Status.REVIEW, Status.FAILED)),
            "registrations_by_time",
        ),
    ],
)
async def test_an_index_serves_where_it_can(database, wanted, index):
    query = rows.select().where(*_conditions(wanted))
    compiled = query.order_by(rows.c.created_at.desc()).compile(
        compile_kwargs={"literal_binds": True}
    )

    def plan(connection):
        found = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}")
        return " ".join(str(row[-1]) for row in found)

    assert f"USING INDEX {index}" in await database.read(plan)


@example(ip_address("2001:0:0:1::"), 48)
@example(ip_address("2001:0:0:1::"), 32)
@given(st.ip_addresses(v=6, network="2000::/3"), st.integers(3, 64))
def test_the_beginning_holds_every_address_of_an_ipv6_network(address, length):
    network = ip_network((address, length), strict=False)
    condition = _near(network)
    text = str(neighbourhood(address))
    bound = [*condition.compile().params.values()]
    if length == 64:
        assert bound == [text]
    elif len(bound) == 2:
        assert bound[0] <= text < bound[1]
