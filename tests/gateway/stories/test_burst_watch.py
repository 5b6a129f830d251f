"""Bursts are told with what fits them, and a flood stays readable."""

import pytest
from sqlalchemy.exc import SQLAlchemyError

from gateway.store import alerts
from gateway.store.audit import Author

MOD = Author("@mod:example.org")


async def counts(house):
    return {cause: count for cause, (count, _) in (await house.alerts()).items()}


async def alert(house, cause):
    await house.burst_watch.tell()
    found = await house.database.read(alerts.lasting)
    return next(each for each in found if each.cause == cause)


async def test_a_burst_raises_one_alert_that_counts(house):
    for n in range(12):
        await house.codes("!", "ann@example.net", f"203.0.113.{n}")
    assert await counts(house) == {
        "burst network 203.0.113.0/24": 12,
        "burst domain example.net": 12,
    }
    text = (await house.alerts())["burst domain example.net"][1]
    assert text == "Burst of refused requests with addresses at `example.net` (10 per 10m or more)"


async def test_a_burst_against_a_pattern_is_one_too(open_house):
    house = await open_house(alerts={"burst": "2 per 10m"})
    await house.ban("name", "^adm")
    for n in range(2):
        await house.codes(f"admin{n}", f"a@n{n}.example", f"203.0.{n}.1")
    assert list(await house.alerts()) == ["burst pattern ^adm"]


async def test_many_refusals_from_everywhere_are_a_burst_too(open_house):
    house = await open_house(alerts={"burst_in_all": "5 per 1m"})
    for n in range(6):
        await house.codes("!", f"a@n{n}.example", f"203.0.{n}.1")
    assert await counts(house) == {"burst all": 6}


async def test_slow_refusals_and_a_closed_desk_are_no_burst(house):
    for _ in range(12):
        await house.codes("!")
        house.clock.turn(minutes=2)
    await house.hours.pause(MOD, None)
    for n in range(12):
        await house.codes(f"n{n}x", f"n{n}@elsewhere.example", "198.51.100.1")
    assert await house.alerts() == {}


async def test_a_ban_that_is_hit_often_is_told_though_it_is_no_burst(open_house):
    house = await open_house(alerts={"ban_hits": "3 per 1d"})
    await house.ban("email", "@spam.example")
    for n in range(4):
        await house.codes(f"n{n}x", f"a{n}@spam.example", f"203.0.{n}.1")
        house.clock.turn(hours=2)
    assert await counts(house) == {"hits email @spam.example": 4}


async def test_one_address_under_many_names_is_told_without_the_address(house):
    for n in range(5):
        await house.apply(f"n{n}x", "ann+tag@gmail.com", f"203.0.{n}.1")
        await house.apply(f"n{n}x", "ann@gmail.com", f"203.0.{n}.1")
    ((cause, (count, text)),) = (await house.alerts()).items()
    assert cause.startswith("names address ") and count == 5
    assert text == "One address, `a…@gmail.com`, asks for many names (4 per 1d or more)"
    found = await alert(house, cause)
    assert "ann" not in found.cause + found.text + " ".join(found.details)


async def test_one_network_under_many_names_is_told(open_house):
    limits = {"limits": {"network": None}}
    house = await open_house(registration=limits, alerts={"names_by_network": "3 per 1d"})
    for n in range(3):
        await house.apply(f"n{n}x", f"a{n}@n{n}.example", f"2001:db8::{n}")
    assert await counts(house) == {"names network 2001:db8::/64": 3}


async def test_a_burst_shows_what_was_refused_and_why(house):
    for n in range(10):
        await house.codes(f"ad`min\n{n}", "someone@example.net", "203.0.113.7")
    found = await alert(house, "burst network 203.0.113.0/24")
    assert found.details[-1] == (
        "12:00:00 · `ad'min\\u000a9` · `s…@example.net` · `203.0.113.0/24` · name malformed"
    )
    assert len(found.details) == 5


async def test_a_burst_carries_the_commands_that_fit(house):
    for n in range(10):
        await house.codes("!", "ann@example.net", f"203.0.113.{n}")
        await house.codes("!", f"n{n}@gmail.com", f"198.51.{n}.1")
    network = await alert(house, "burst network 203.0.113.0/24")
    assert network.actions == (
        ("🚫", "ban ip 203.0.113.0/24 --for 1d"),
        ("⏸️", "pause --for 1h"),
        ("🔇", f"mute {network.id} --for 1d"),
    )
    domain = await alert(house, "burst domain example.net")
    assert domain.actions[0] == ("🚫", "ban email @example.net --for 1d")
    # Half the world has its mail there.
    provider = await alert(house, "burst domain gmail.com")
    assert [key for key, _ in provider.actions] == ["⏸️", "🔇"]


async def test_what_is_banned_already_is_not_offered_to_be_banned(house):
    await house.ban("ip", "203.0.0.0/16")
    await house.ban("email", "@example.net")
    for n in range(10):
        await house.codes(f"n{n}x", f"n{n}@mail.example.net", f"203.0.113.{n}")
    for cause in ("burst network 203.0.113.0/24", "burst domain mail.example.net"):
        assert [key for key, _ in (await alert(house, cause)).actions] == ["⏸️", "🔇"]


async def test_a_narrower_ban_leaves_the_offer(house):
    await house.ban("ip", "203.0.113.7")
    await house.ban("email", "ann@example.net")
    for _ in range(10):
        await house.codes("ann", "ann@example.net", "203.0.113.7")
    for cause in ("burst network 203.0.113.0/24", "burst domain example.net"):
        assert "🚫" in dict((await alert(house, cause)).actions)


@pytest.mark.parametrize("pattern", ["^x --yes", '"; pause', "a b"])
async def test_no_value_becomes_a_part_of_an_offered_command(open_house, pattern):
    house = await open_house(alerts={"burst": "2 per 10m", "ban_hits": "2 per 1d"})
    await house.ban("name", pattern)
    for n in range(2):
        await house.codes("x --yes", f"a@n{n}.example", f"203.0.{n}.1")
    for each in await house.database.read(alerts.lasting):
        assert all(pattern not in command for _, command in each.actions)


async def flood(house, first, last):
    """Refused requests, two from each network and domain."""
    for n in range(first, last):
        for _ in range(2):
            await house.codes("!", f"a@n{n}.example", f"10.{n >> 8 & 255}.{n & 255}.1")


async def test_further_bursts_fold_into_one_that_counts_them(open_house):
    house = await open_house(alerts={"burst": "2 per 10m"})
    await flood(house, 0, 50)
    found = await counts(house)
    assert len(found) == 5
    # A hundred causes, of which three have a message of their own.
    assert found["burst elsewhere"] == 97
    assert found["burst all"] == 100
    elsewhere = await alert(house, "burst elsewhere")
    assert (
        "Burst of refused requests" in elsewhere.details[0]
        and "name malformed" in elsewhere.details[0]
    )


async def test_a_flood_from_ever_new_networks_is_not_remembered_for_ever(open_house, monkeypatch):
    monkeypatch.setattr("gateway.stories.burst_watch.MOST_CAUSES", 20)
    house = await open_house(alerts={"burst": "2 per 10m"})
    for part in range(5):
        await flood(house, part * 20, part * 20 + 20)
        await house.burst_watch.tell()
    assert len(house.burst_watch._folded) == 20
    assert (await counts(house))["burst elsewhere"] == 197


async def test_a_flood_that_goes_on_begins_no_new_messages(open_house):
    house = await open_house(alerts={"burst": "2 per 10m"})
    for minute in range(60):
        await flood(house, minute * 5, minute * 5 + 5)
        await house.burst_watch.tell()
        house.clock.turn(minutes=1)
    (rows,) = await house.database.read(
        lambda c: c.exec_driver_sql("SELECT count(*) FROM alerts").fetchone()
    )
    assert rows == 5


async def test_a_burst_ends_after_a_quiet_span_and_begins_anew(house):
    for _ in range(10):
        await house.codes("!")
    first = await alert(house, "burst network 203.0.113.0/24")
    house.clock.turn(minutes=15)
    for _ in range(10):
        await house.codes("!")
    second = await alert(house, "burst network 203.0.113.0/24")
    assert second.id != first.id and second.count == 10
    first = await house.database.read(lambda c: alerts.get(c, first.id))
    assert first.ended_at == first.last_at


@pytest.mark.parametrize("span", [{"days": -2}, {"days": 2}])
async def test_a_clock_that_jumps_neither_jams_nor_floods(house, span):
    for _ in range(10):
        await house.codes("!")
    await house.burst_watch.tell()
    house.clock.turn(**span)
    for _ in range(30):
        await house.codes("!")
        await house.burst_watch.tell()
    found = await house.database.read(alerts.lasting)
    assert len(found) == 2
    assert "burst network 203.0.113.0/24" in {each.cause for each in found}
    # Further ones, if the clock was set back: those that ended a moment ago hold their places.
    assert {each.last_at for each in found} <= {house.clock.now}


async def test_what_could_not_be_told_is_told_later(house):
    for _ in range(10):
        await house.codes("!")
    await house.database.write(lambda c: c.exec_driver_sql("ALTER TABLE alerts RENAME TO away"))
    with pytest.raises(SQLAlchemyError, match="no such table"):
        await house.burst_watch.tell()
    await house.codes("!")
    await house.database.write(lambda c: c.exec_driver_sql("ALTER TABLE away RENAME TO alerts"))
    assert set((await counts(house)).values()) == {11}
