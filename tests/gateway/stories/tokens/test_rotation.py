"""One token: given out once, replaced on time, taken back after a leak, whatever fails between."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy.exc import IntegrityError, OperationalError

from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.token_file import TokenFile
from gateway.store import home, registrations, tokens
from gateway.store.audit import Author
from gateway.store.registrations import Status
from tests.gateway.conftest import House, StrictTokens, ToldNames, text_of, until

MOD = Author("@mod:example.org", "$event")
MIDNIGHT = datetime(2026, 11, 25, tzinfo=UTC)
SHARED = {"mode": "shared", "rotation": "0 0 * * *"}
OVERLAP = SHARED | {"overlap": "2h"}


async def current(house: House) -> str | None:
    token = await house.database.read(tokens.current_shared)
    return None if token is None else token.value


def fail_writes(house: House, monkeypatch: pytest.MonkeyPatch, skip: int, fail: int) -> None:
    """After `skip` more writes, let `fail` of them fail."""
    real, count = house.database.write, 0

    async def write(work: Any) -> Any:
        nonlocal count
        count += 1
        if skip < count <= skip + fail:
            raise OperationalError("UPDATE", {}, Exception("disk is full"))
        return await real(work)

    monkeypatch.setattr(house.database, "write", write)


# One token for all


async def test_the_first_token_is_there_at_the_start(shared):
    await shared.rotation.look()
    value = await current(shared)
    assert list(shared.source.in_force) == [value]
    assert len(value) >= 26 and value.isalnum() and value.isascii()
    await shared.rotation.look()
    assert shared.source.calls == [f"issue {value}"]
    assert (await shared.rotation.token_for(1)).value == value
    assert await shared.audited() == [("porter", "rotate", "token")]
    assert "first shared token" in (await shared.alerts())["rotation"][1]


async def test_whoever_asks_while_a_rotation_is_under_way_waits_for_it(shared):
    asked = asyncio.create_task(shared.rotation.token_for(1))
    await asyncio.sleep(0.02)
    await shared.rotation.look()
    assert (await asked).value == await current(shared)


async def test_before_the_first_token_there_is_none_to_mail(shared):
    with pytest.raises(HomeserverError, match="not in force yet"):
        await shared.rotation.token_for(1)


async def test_two_processes_rotate_a_slot_exactly_once(open_house):
    source = StrictTokens()
    houses = [await open_house(source=source, tokens=SHARED) for _ in range(2)]
    for day in range(3):
        houses[0].clock.now = MIDNIGHT + timedelta(days=day)
        await asyncio.gather(*(house.rotation.look() for house in houses * 5))
        await asyncio.gather(*(house.rotation.look() for house in houses))
        assert list(source.in_force) == [await current(houses[0])]
    assert sum(call.startswith("issue") for call in source.calls) == 3
    assert not any(call.startswith("revoke") for call in source.calls)


async def test_it_rotates_by_itself_while_it_runs(open_house):
    source = StrictTokens()
    houses = [await open_house(source=source, tokens=SHARED) for _ in range(2)]
    running = [asyncio.create_task(house.rotation.run()) for house in houses]

    async def has(count: int) -> bool:
        return len(source.wishes) == count and len(source.in_force) == 1

    await until(lambda: has(1))
    houses[0].clock.now = MIDNIGHT
    await until(lambda: has(2))
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert len(source.calls) == 2


async def test_missed_slots_are_caught_up_once(shared):
    await shared.rotation.look()
    shared.clock.turn(days=40)
    for _ in range(3):
        await shared.rotation.look()
    assert len(shared.source.wishes) == 2
    token = await shared.database.read(tokens.current_shared)
    assert token.slot == MIDNIGHT + timedelta(days=39)


async def test_with_an_overlap_the_old_token_works_until_it_is_over(open_house):
    house = await open_house(tokens=OVERLAP)
    await house.rotation.look()
    old = await current(house)
    house.clock.now = MIDNIGHT
    await house.rotation.look()
    new = await current(house)
    assert set(house.source.in_force) == {old, new}
    assert (await house.rotation.token_for(1)).value == new
    house.clock.turn(hours=2, microseconds=-1)
    await house.rotation.look()
    assert set(house.source.in_force) == {old, new}
    house.clock.turn(microseconds=1)
    await house.rotation.look()
    await house.rotation.look()
    assert set(house.source.in_force) == {new}
    assert house.source.calls[-1] == f"revoke {old}"


async def test_the_page_and_the_mail_say_how_long_a_token_lasts(open_house):
    house = await open_house(tokens=OVERLAP)
    await house.rotation.look()
    token = await house.rotation.token_for(1)
    assert house.rotation.ends_at(token) == MIDNIGHT + timedelta(hours=2)
    house.clock.now = MIDNIGHT
    assert house.rotation.ends_at(token) == MIDNIGHT + timedelta(days=1, hours=2)


async def test_a_clock_that_is_set_back_prolongs_no_token(open_house):
    house = await open_house(tokens={"mode": "per_applicant", "valid_for": "7d"})
    await house.apply("ann", "ann@example.net")
    token = await house.rotation.token_for(1)
    house.clock.turn(days=-1)
    await house.rotation.look()
    after = await house.database.read(lambda c: tokens.get(c, token.id))
    assert after.withdraw_at == house.clock.now + timedelta(days=7)
    house.clock.turn(days=7)
    await house.rotation.look()
    assert token.value not in house.source.in_force


async def test_without_an_overlap_a_mail_at_the_slot_waits_for_its_token(shared):
    await shared.rotation.look()
    old = await current(shared)
    shared.clock.now = MIDNIGHT
    # The desk is open again, and nobody has rotated yet.
    with pytest.raises(HomeserverError):
        await shared.rotation.token_for(1)
    asked = asyncio.create_task(shared.rotation.token_for(1))
    await shared.rotation.look()
    assert (await asked).value == await current(shared) != old


async def test_without_an_overlap_the_old_token_goes_at_once(shared):
    await shared.rotation.look()
    old = await current(shared)
    shared.clock.now = MIDNIGHT
    await shared.rotation.look()
    assert list(shared.source.in_force) == [await current(shared)] != [old]
    assert await shared.database.read(lambda c: tokens.due(c, shared.clock.now)) == []


async def test_a_token_that_never_rotates(open_house):
    house = await open_house(tokens={"mode": "shared", "rotation": None})
    await house.rotation.look()
    house.clock.turn(days=999)
    await house.rotation.look()
    assert len(house.source.calls) == 1
    assert house.rotation.ends_at(await house.rotation.token_for(1)) is None
    await house.rotation.rotate(MOD)
    await house.rotation.look()
    assert len(house.source.wishes) == 2 and len(house.source.in_force) == 1


@pytest.mark.parametrize("settings", [SHARED, OVERLAP])
@pytest.mark.parametrize("mood", ["before", "after"])
async def test_a_failure_at_the_homeserver_is_made_good_with_the_same_token(
    open_house, settings, mood
):
    house = await open_house(tokens=settings)
    await house.rotation.look()
    house.clock.now = MIDNIGHT
    house.source.moods.append(mood)
    with pytest.raises(HomeserverError):
        await house.rotation.look()
    await house.rotation.look()
    assert len(house.source.wishes) == 2
    assert await current(house) == list(house.source.wishes)[1]


@pytest.mark.parametrize("settings", [SHARED, OVERLAP])
@pytest.mark.parametrize("later", [timedelta(), timedelta(days=3)])
async def test_a_crash_between_issue_and_record_is_made_good(
    open_house, settings, later, monkeypatch
):
    house = await open_house(tokens=settings)
    await house.rotation.look()
    house.clock.now = MIDNIGHT
    with monkeypatch.context() as broken:
        fail_writes(house, broken, skip=2, fail=1)  # the lease and the preparation go well
        with pytest.raises(OperationalError):
            await house.rotation.look()
    second = list(house.source.wishes)[1]
    if settings is SHARED:
        with pytest.raises(HomeserverError):  # nobody knows yet which token works
            await house.rotation.token_for(1)
    house.clock.turn(days=later.days)
    other = await open_house(tokens=settings, source=house.source)
    for _ in range(3):
        await other.rotation.look()
        other.clock.turn(hours=2)
    value = await current(other)
    assert list(house.source.in_force) == [value]
    assert (value == second) == (not later)


async def test_a_crash_in_the_middle_leaves_the_lease_behind_for_two_minutes(shared, open_house):
    blocked = asyncio.Event()

    async def block() -> None:
        blocked.set()
        await asyncio.Event().wait()

    shared.source.before_issue = block
    look = asyncio.create_task(shared.rotation.look())
    await blocked.wait()
    other = await open_house(tokens=SHARED, source=shared.source)
    for seconds in (0, -10, 10):
        other.clock.turn(seconds=seconds)
        await other.rotation.look()
        assert await current(other) is None
    other.clock.turn(minutes=2)
    await other.rotation.look()
    assert await current(other) is not None
    look.cancel()
    with pytest.raises(asyncio.CancelledError):
        await look
    assert len(shared.source.wishes) == 1


async def test_trouble_is_told_once_and_tried_again(shared, monkeypatch):
    monkeypatch.setattr("gateway.stories.tokens.rotation._GLANCE", 0.01)
    shared.source.is_down = True
    running = asyncio.create_task(shared.rotation.run())

    async def tried() -> bool:
        return len(shared.source.calls) >= 3

    async def works() -> bool:
        return await current(shared) is not None

    await until(tried)
    count, text = (await shared.alerts())["tokens stuck"]
    assert count == 1 and "the homeserver is away" in text
    shared.source.is_down = False
    await until(works)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert len(shared.source.wishes) == 1


async def test_no_token_stands_in_what_is_told(shared, monkeypatch, capsys):
    monkeypatch.setattr("gateway.stories.tokens.rotation._GLANCE", 0.01)
    monkeypatch.setattr("gateway.stories.tokens.shared_token.new_token", lambda: "hush" * 7)
    await shared.database.write(
        lambda c: c.exec_driver_sql(
            "CREATE TRIGGER jam BEFORE INSERT ON tokens BEGIN SELECT RAISE(ABORT, 'jammed'); END"
        )
    )
    with pytest.raises(IntegrityError) as failure:
        await shared.rotation.look()
    assert "hush" not in str(failure.value)
    running = asyncio.create_task(shared.rotation.run())

    async def told() -> bool:
        return "tokens stuck" in await shared.alerts()

    await until(told)
    _, trouble = (await shared.alerts())["tokens stuck"]
    await shared.database.write(lambda c: c.exec_driver_sql("DROP TRIGGER jam"))

    async def works() -> bool:
        return await current(shared) is not None

    await until(works)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    said = capsys.readouterr()
    told_texts = " ".join([trouble, *(text for _, text in (await shared.alerts()).values())])
    assert "jammed" in told_texts and "INSERT" not in told_texts
    assert "hush" not in said.out + said.err + told_texts


async def test_a_clock_that_was_a_year_ahead_does_not_stop_the_rotation(shared):
    shared.clock.turn(days=365)
    await shared.rotation.look()
    shared.clock.turn(days=-365)
    await shared.rotation.look()
    assert len(shared.source.wishes) == 2
    shared.clock.now = MIDNIGHT
    await shared.rotation.look()
    await shared.rotation.look()
    assert len(shared.source.wishes) == 3 and len(shared.source.in_force) == 1


async def test_a_clock_set_back_over_midnight_does_not_rotate_back(shared):
    shared.clock.now = MIDNIGHT - timedelta(hours=1)
    await shared.rotation.look()
    shared.clock.now = MIDNIGHT
    await shared.rotation.look()
    shared.clock.turn(seconds=-30)
    await shared.rotation.look()
    shared.clock.turn(seconds=60)
    await shared.rotation.look()
    assert len(shared.source.wishes) == 2


async def test_a_real_token_file_is_never_without_a_token(open_house, tmp_path):
    file = TokenFile(tmp_path / "token")
    house = await open_house(tokens=SHARED, source=FileServer(file, ToldNames(), "a file"))
    await house.rotation.look()
    for _ in range(3):
        house.clock.turn(days=1)
        await house.rotation.look()
        assert file.values() == (await current(house),)
    await house.rotation.rotate(MOD)
    assert file.values() == (await current(house),)


# A leak, with one token for all


async def mailed(house: House, *names: str) -> None:
    """Let applicants ask and be mailed."""
    await house.rotation.look()
    for number, name in enumerate(names):
        assert await house.apply(name, f"{name}@example.net", f"198.51.{number}.1") == ()
    await house.deliver()


@pytest.mark.parametrize("settings", [SHARED, OVERLAP])
async def test_after_a_leak_those_mailed_with_the_old_token_get_the_new_one(
    open_house, post, settings
):
    house = await open_house(tokens=settings)
    await mailed(house, "ann", "bob", "cid", "dan")
    old = await current(house)
    await house.database.write(lambda c: registrations.become(c, 3, Status.REGISTERED))
    await house.database.write(lambda c: registrations.become(c, 4, Status.REJECTED))
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (1, 1, 2)
    new = await current(house)
    assert list(house.source.in_force) == [new] != [old]
    await house.deliver()
    assert [len(post.to(f"{name}@example.net")) for name in ("ann", "bob", "cid", "dan")] == [
        *(2, 2, 1, 1)
    ]
    assert new in text_of(post.mails[-1]) and old not in text_of(post.mails[-1])
    assert (MOD.who, "rotate", "tokens") in await house.audited()
    await house.rotation.look()
    assert await current(house) == new  # the schedule goes on from here


async def test_after_a_leak_the_one_that_overlaps_is_ended_too(open_house):
    house = await open_house(tokens=OVERLAP)
    await mailed(house, "ann")
    house.clock.now = MIDNIGHT + timedelta(minutes=1)
    await house.rotation.look()
    await house.apply("bob", "bob@example.net")
    await house.deliver()
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (2, 2, 2)
    assert list(house.source.in_force) == [await current(house)]


async def test_two_leaks_at_one_moment_are_two_rotations(shared):
    await shared.rotation.look()
    first = await shared.rotation.rotate(MOD)
    second = await shared.rotation.rotate(MOD)
    assert (first.revoked, second.revoked) == (1, 1)
    assert len(shared.source.wishes) == 3 and len(shared.source.in_force) == 1


async def test_a_leak_while_the_homeserver_is_away_is_made_good_when_it_is_back(shared, post):
    await mailed(shared, "ann")
    old = await current(shared)
    shared.source.is_down = True
    done = await shared.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (1, 0, 1)
    await shared.deliver()  # the leaked token goes into no mail any more
    assert len(post.mails) == 1
    shared.source.is_down = False
    await shared.rotation.look()
    assert list(shared.source.in_force) == [await current(shared)] != [old]
    shared.clock.turn(minutes=1)
    await shared.deliver()
    assert await current(shared) in text_of(post.mails[1])


@pytest.mark.parametrize("settings", [SHARED, OVERLAP])
async def test_a_leak_and_a_crash_before_the_record_leave_no_dead_token_in_mails(
    open_house, settings, monkeypatch
):
    house = await open_house(tokens=settings)
    await house.rotation.look()
    with monkeypatch.context() as broken:
        fail_writes(house, broken, skip=3, fail=1)  # decided, leased, prepared: not recorded
        await house.rotation.rotate(MOD)
    assert await current(house) is None
    other = await open_house(tokens=settings, source=house.source)
    await other.rotation.look()
    assert list(house.source.in_force) == [await current(other)]
    assert len(house.source.wishes) == 2


async def test_leak_and_schedule_at_one_moment_leave_one_token(open_house):
    source = StrictTokens()
    houses = [await open_house(source=source, tokens=SHARED) for _ in range(2)]
    await houses[0].rotation.look()
    for turn in range(5):
        houses[0].clock.now = MIDNIGHT + timedelta(days=turn)
        await asyncio.gather(
            houses[0].rotation.look(),
            houses[1].rotation.rotate(MOD),
            houses[0].rotation.rotate(MOD),
            houses[1].rotation.look(),
        )
        for house in houses:
            await house.rotation.look()
        assert list(source.in_force) == [await current(houses[0])]


async def test_a_token_that_is_years_old_brings_no_mail_to_those_who_wait_no_more(open_house):
    house = await open_house(tokens={"mode": "shared", "rotation": None})
    await mailed(house, "ann")
    house.clock.turn(days=8)
    await house.apply("bob", "bob@example.net")
    await house.deliver()
    assert (await house.rotation.rotate(MOD)).mailed == 1
    assert [each.status for each in await house.mails(2)] == ["sent", "queued"]


# A token for each


async def test_an_applicant_has_one_token_however_often_it_is_asked_for(house):
    await house.apply()
    first = await house.rotation.token_for(1)
    assert (await house.rotation.token_for(1)).value == first.value
    wish = house.source.in_force[first.value]
    assert (wish.uses, wish.expires_at) == (1, house.clock.now + timedelta(days=7))
    assert house.rotation.ends_at(first) == wish.expires_at
    assert house.source.calls == [f"issue {first.value}", f"state {first.value}"]


@pytest.mark.parametrize("mood", ["before", "after"])
async def test_a_lost_answer_leads_to_the_same_token(house, mood):
    await house.apply()
    house.source.moods.append(mood)
    with pytest.raises(HomeserverError):
        await house.rotation.token_for(1)
    house.clock.turn(minutes=1)
    token = await house.rotation.token_for(1)
    assert list(house.source.wishes) == list(house.source.in_force) == [token.value]


async def test_tokens_end_with_their_time(house):
    await mailed(house, "ann")
    house.clock.turn(days=7)
    await house.rotation.look()
    assert house.source.in_force == {}
    calls = len(house.source.calls)
    await house.rotation.look()
    assert len(house.source.calls) == calls


async def test_after_a_leak_each_waiting_applicant_gets_one_fresh_token(house, post):
    await mailed(house, "ann", "bob", "cid", "dan")
    await house.database.write(lambda c: registrations.become(c, 3, Status.REGISTERED))
    await house.database.write(lambda c: registrations.become(c, 4, Status.REJECTED))
    await house.apply("eve", "eve@example.net", "198.51.9.1")  # pending: her mail is owed anyway
    old = set(house.source.in_force)
    house.bell.clear()
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (4, 4, 2)
    assert house.bell.is_set() and house.source.in_force == {}
    assert await house.owed() == 3
    await house.deliver()
    assert [
        len(post.to(f"{name}@example.net")) for name in ("ann", "bob", "cid", "dan", "eve")
    ] == [*(2, 2, 1, 1, 1)]
    assert len(house.source.in_force) == 3 and not old & set(house.source.in_force)
    for mail in post.mails[4:]:
        assert sum(value in text_of(mail) for value in house.source.in_force) == 1
    assert (await house.alerts())["rotation by command"][0] == 1


async def test_whoever_has_used_his_token_gets_no_other(house, post):
    await mailed(house, "ann", "bob")
    ann, bob = list(house.source.in_force)
    house.source.used_up.add(ann)
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (1, 1, 1)
    await house.deliver()
    assert [len(post.to(f"{name}@example.net")) for name in ("ann", "bob")] == [1, 2]
    row = await house.database.read(lambda c: registrations.get(c, 1))
    assert row.status is Status.REGISTERED
    await house.rotation.look()
    assert not {ann, bob} & set(house.source.in_force)


async def test_two_moderators_rotate_at_once_and_each_applicant_gets_one_mail(house, open_house):
    await mailed(house, "ann", "bob")
    other = await open_house(source=house.source)
    done = await asyncio.gather(house.rotation.rotate(MOD), other.rotation.rotate(MOD))
    assert sorted((each.outstanding, each.mailed) for each in done) == [(0, 0), (2, 2)]
    assert await house.owed() == 2


async def test_what_the_homeserver_does_not_revoke_at_once_follows(open_house):
    house = await open_house()
    await mailed(house, "n1", "n2", "n3", "n4", "n5")
    house.source.moods.extend(["fine", "before", "fine", "after", "fine"])
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (5, 3, 5)
    await house.rotation.look()
    assert house.source.in_force == {}
    assert await house.database.read(lambda c: tokens.due(c, house.clock.now)) == []


async def test_a_homeserver_that_is_away_is_not_asked_a_thousand_times(open_house):
    house = await open_house()
    await mailed(house, *(f"n{n}x" for n in range(20)))
    house.source.is_down = True
    house.source.calls.clear()
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked, done.mailed) == (20, 0, 20)
    assert len(house.source.calls) <= 8
    house.source.is_down = False
    await house.rotation.look()
    assert house.source.in_force == {}


async def test_a_token_revoked_before_it_was_issued_is_revoked_again(house):
    """A rotation by command overtakes a courier that is about to put a token into force."""
    await house.apply()

    async def rotate() -> None:
        await house.rotation.rotate(MOD)

    house.source.before_issue = rotate
    with pytest.raises(HomeserverError, match="withdrawn before"):
        await house.rotation.token_for(1)
    await house.rotation.look()
    assert house.source.in_force == {}
    assert (await house.rotation.token_for(1)).value in house.source.in_force


async def test_a_clock_set_back_raises_no_token_from_the_dead(house):
    await mailed(house, "ann")
    await house.rotation.rotate(MOD)
    dead = set(house.source.revoked)
    house.clock.turn(days=-3)
    assert (await house.rotation.token_for(1)).value not in dead


async def test_a_desk_that_gave_out_shared_tokens_before_lets_them_end(shared, open_house):
    await shared.rotation.look()
    old = await current(shared)
    house = await open_house(source=shared.source)
    await house.rotation.look()
    assert list(house.source.in_force) == [old]
    house.clock.turn(days=7)
    await house.rotation.look()
    assert house.source.in_force == {}


async def test_a_shared_token_that_a_crash_left_half_made_ends_too(shared, open_house):
    shared.source.moods.append("after")
    with pytest.raises(HomeserverError):
        await shared.rotation.look()
    house = await open_house(source=shared.source)
    await house.rotation.look()
    assert len(house.source.in_force) == 1
    house.clock.turn(days=7)
    await house.rotation.look()
    assert house.source.in_force == {}


async def test_after_a_leak_shared_tokens_of_before_end_too(shared, open_house):
    await shared.rotation.look()
    house = await open_house(source=shared.source)
    done = await house.rotation.rotate(MOD)
    assert (done.outstanding, done.revoked) == (1, 1)
    assert house.source.in_force == {}


async def test_a_token_that_another_homeserver_has_is_not_mailed_for_this_one(house):
    await house.database.write(lambda c: home.arrive(c, "here", house.clock()))
    await house.apply()
    before = await house.rotation.token_for(1)
    house.clock.turn(hours=1)
    await house.database.write(lambda c: home.arrive(c, "there", house.clock()))
    house.source.in_force.clear()
    house.clock.turn(minutes=1)
    for _ in range(2):
        token = await house.rotation.token_for(1)
        assert (token.value, token.expires_at) == (before.value, before.expires_at)
    assert [*house.source.in_force] == [before.value]
    issue, state = (f"{what} {before.value}" for what in ("issue", "state"))
    assert house.source.calls == [issue, issue, state]
