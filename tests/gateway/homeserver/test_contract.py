"""The promises of `Homeserver`, kept by every kind.

Each kind is tried on a real server when its address is given (README, "Work on it"), else on the
stand-in written from its sources; Synapse is always real.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest

from gateway.homeserver.homeserver import (
    Homeserver,
    HomeserverError,
    NameAvailability,
    Restriction,
    Token,
    TokenState,
    Unable,
)
from tests.gateway.homeserver.subjects.file_server import open_conduwuit
from tests.gateway.homeserver.subjects.mas import open_mas
from tests.gateway.homeserver.subjects.room import open_conduwuit_with_its_room, open_room
from tests.gateway.homeserver.subjects.static import open_static
from tests.gateway.homeserver.subjects.subject import Ground, Open, Subject, given
from tests.gateway.homeserver.subjects.synapse import open_synapse
from tests.gateway.homeserver.subjects.tuwunel import open_tuwunel
from tests.stand_ins.continuwuity import LINK

KINDS: dict[str, Open] = {
    "synapse": open_synapse,
    "mas": open_mas,
    "continuwuity 0.5.2": open_room("continuwuity", is_old=True),
    "continuwuity 26.8.0": open_room("continuwuity", link=LINK),
    "tuwunel 1.5.0": open_room("tuwunel"),
    "tuwunel 1.8.1": open_tuwunel("1.8.1"),
    "tuwunel 1.9.0": open_tuwunel("1.9.0"),
    "conduwuit": open_conduwuit,
    "conduwuit with its room": open_conduwuit_with_its_room,
    "static": open_static,
}
# Between the desk and these stands a line on which a proxy may ask twice.
asking = pytest.mark.parametrize("kind", ["synapse", "mas", "tuwunel 1.8.1", "tuwunel 1.9.0"])
issuing = pytest.mark.parametrize("kind", [each for each in KINDS if each != "static"])
SLOW = ("slow", "late")  # faults that are waited for
HOSTILE = ["..", "../x?y#z", "a/b", "%2e%2e", "x%2Fy", "a b", "ünï", "!admin x", "`a`", "@a:b", ""]


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def ground(
    kind: str,
    tmp_path: Path,
    session: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Ground:
    is_asked_for = kind == "synapse" and given(kind) is None
    synapse = request.getfixturevalue("synapse") if is_asked_for else None
    return Ground(tmp_path, session, monkeypatch, synapse)


@pytest.fixture
async def subject(kind: str, ground: Ground) -> AsyncIterator[Subject]:
    async with KINDS[kind](ground) as opened:
        yield opened


def new(what: str) -> str:
    """A name or a token that nobody had before; a real server remembers the last run."""
    return what + secrets.token_hex(6)


def own(value: str, **span: float) -> Token:
    """One applicant's token."""
    return Token(value, 1, datetime.now(UTC) + timedelta(**(span or {"hours": 1})))


async def issue(homeserver: Homeserver, token: Token, *instead_of: str) -> str:
    return (await homeserver.issue(token, instead_of=instead_of)).value


async def refused(attempt: Awaitable[object], *secret: str) -> str:
    """What is said instead of doing it: one sentence that betrays nothing."""
    with pytest.raises(HomeserverError) as caught:
        await attempt
    said = str(caught.value)
    assert said and "\n" not in said and "<" not in said
    assert not any(each in said for each in secret)
    return said


@issuing
async def test_a_token_opens_an_account(subject: Subject) -> None:
    value = await issue(subject.homeserver, own(new("opens")))
    assert value in await subject.values()
    assert await subject.open_account(new("opened"), value)
    assert not await subject.open_account(new("refused"), new("nevermade"))


@issuing
async def test_a_single_use_token_opens_one_account_where_uses_count(subject: Subject) -> None:
    value = await issue(subject.homeserver, own(new("single")))
    opened = [await subject.open_account(new("one"), value) for _ in range(3)]
    assert opened == [True] + [not subject.homeserver.abilities.counts_uses] * 2


@issuing
async def test_a_token_for_several_opens_so_many(subject: Subject) -> None:
    wish = Token(new("three"), 3, datetime.now(UTC) + timedelta(hours=1))
    value = await issue(subject.homeserver, wish)
    opened = [await subject.open_account(new("of3"), value) for _ in range(4)]
    assert opened == [True] * 3 + [not subject.homeserver.abilities.counts_uses]


@issuing
async def test_a_token_without_limits_opens_any_number(subject: Subject) -> None:
    value = await issue(subject.homeserver, Token(new("endless")))
    assert all([await subject.open_account(new("any"), value) for _ in range(3)])


@issuing
async def test_a_wish_asked_for_again_is_one_token(subject: Subject) -> None:
    before = await subject.values()
    wish = own(new("again"))
    values = {await issue(subject.homeserver, wish) for _ in range(2)}
    values |= {*await asyncio.gather(*(issue(subject.homeserver, wish) for _ in range(4)))}
    assert len(values) == 1
    assert await subject.values() - before == values


@issuing
async def test_wishes_at_the_same_time_are_all_fulfilled(subject: Subject) -> None:
    before = await subject.values()
    wishes = [own(new("parallel")) for _ in range(20)]
    values = await asyncio.gather(*(issue(subject.homeserver, wish) for wish in wishes))
    assert len(set(values)) == 20
    assert await subject.values() - before == set(values)
    await asyncio.gather(*(subject.homeserver.revoke(value) for value in values))
    assert not set(values) & await subject.values()


@issuing
async def test_an_answer_that_goes_wrong_issues_nothing_and_the_next_try_one_token(
    subject: Subject,
) -> None:
    for fault in subject.faults:
        before, wish = await subject.values(), own(new("wrong"))
        edge = subject.impatient() if fault in SLOW else subject.homeserver
        subject.go_wrong(fault)
        await refused(edge.issue(wish), wish.value)
        value = await issue(subject.homeserver, wish)
        assert await subject.values() - before == {value}, fault
        assert await issue(subject.homeserver, wish) == value


@issuing
async def test_an_answer_that_goes_wrong_revokes_it_now_or_at_the_next_try(
    subject: Subject,
) -> None:
    for fault in subject.faults:
        value = await issue(subject.homeserver, own(new("unsure")))
        edge = subject.impatient() if fault in SLOW else subject.homeserver
        subject.go_wrong(fault)
        try:  # a question whose answer was lost may be put again by the client itself
            await edge.revoke(value)
        except HomeserverError as error:
            assert value not in str(error) and "\n" not in str(error)
            assert (value in await subject.values()) == (fault not in subject.done), fault
            await subject.homeserver.revoke(value)
        assert value not in await subject.values()


@issuing
async def test_a_revoked_token_opens_nothing_and_is_revoked_again_in_peace(
    subject: Subject,
) -> None:
    value = await issue(subject.homeserver, own(new("revoked")))
    await asyncio.gather(*(subject.homeserver.revoke(value) for _ in range(3)))
    await subject.homeserver.revoke(value)
    assert not await subject.open_account(new("toolate"), value)
    await subject.homeserver.revoke(new("unheard"))


@issuing
async def test_a_token_ends_by_the_value_of_its_wish_too(subject: Subject) -> None:
    wish = own(new("wish"))
    value = await issue(subject.homeserver, wish)
    await subject.homeserver.revoke(wish.value)
    assert value not in await subject.values()
    assert not await subject.open_account(new("wisher"), value)


@issuing
async def test_a_token_ends_by_its_expiry_where_the_server_minds_it(subject: Subject) -> None:
    wish = own(new("brief"), seconds=1)
    value = await issue(subject.homeserver, wish)
    assert wish.expires_at is not None
    await asyncio.sleep((wish.expires_at - datetime.now(UTC)).total_seconds() + subject.lag)
    assert await subject.open_account(new("late"), value) == (not subject.ends_tokens)
    await subject.homeserver.revoke(value)
    assert not await subject.open_account(new("later"), value)


@issuing
async def test_a_token_takes_the_place_of_others(subject: Subject) -> None:
    old = [await issue(subject.homeserver, Token(new("old"))) for _ in range(2)]
    wish = Token(new("fresh"))
    value = await issue(subject.homeserver, wish, *old, new("unheard"), wish.value)
    there = await subject.values()
    assert value in there and not there & set(old)
    assert not await subject.open_account(new("formerly"), old[0])
    assert await subject.open_account(new("presently"), value)


@issuing
async def test_a_token_whose_predecessor_could_not_be_ended_comes_into_force_all_the_same(
    subject: Subject,
) -> None:
    for fault in subject.faults:
        old = await issue(subject.homeserver, Token(new("old")))
        wish = Token(new("heir"))
        value = await issue(subject.homeserver, wish)
        edge = subject.impatient() if fault == "slow" else subject.homeserver
        subject.go_wrong(fault)
        with suppress(HomeserverError):
            await issue(edge, wish, old)
        assert value in await subject.values(), fault
        assert await issue(subject.homeserver, wish, old) == value
        assert old not in await subject.values()


@asking
async def test_a_question_that_arrives_twice_is_one_wish(subject: Subject) -> None:
    before, wish = await subject.values(), own(new("twice"))
    subject.go_wrong("twice")
    value = await issue(subject.homeserver, wish)
    assert await subject.values() - before == {value}
    subject.go_wrong("twice")
    await subject.homeserver.revoke(value)
    assert value not in await subject.values()


@issuing
async def test_there_is_always_a_token_while_one_takes_anothers_place(subject: Subject) -> None:
    current = await issue(subject.homeserver, Token(new("turn")))
    is_over = asyncio.Event()

    others = await subject.values() - {current}

    async def watch() -> int:
        looks = 0
        while not is_over.is_set():
            assert await subject.values() - others
            looks += 1
            await asyncio.sleep(0)
        return looks

    watcher = asyncio.create_task(watch())
    for _ in range(5):
        current = await issue(subject.homeserver, Token(new("turn")), current)
    is_over.set()
    assert await watcher > 0
    assert await subject.values() - others == {current}


@issuing
async def test_several_tokens_work_at_once_where_the_server_takes_them(subject: Subject) -> None:
    assert subject.homeserver.abilities.several_tokens
    values = [await issue(subject.homeserver, Token(new("side"))) for _ in range(2)]
    assert all([await subject.open_account(new("both"), value) for value in values])


@issuing
async def test_where_a_token_stands_is_told_as_far_as_it_is_known(subject: Subject) -> None:
    value = await issue(subject.homeserver, own(new("state")))
    is_counted = subject.homeserver.abilities.counts_uses
    state = await subject.homeserver.state(value)
    assert state in ((TokenState(0), TokenState()) if is_counted else (TokenState(),))
    assert await subject.open_account(new("stated"), value)
    assert (await subject.homeserver.state(value)).is_used_up == is_counted


@issuing
async def test_no_value_touches_anything_but_its_token(subject: Subject) -> None:
    kept = await issue(subject.homeserver, own(new("kept")))
    before = await subject.values()
    for value in HOSTILE:
        for attempt in (subject.homeserver.revoke(value), subject.homeserver.state(value)):
            with suppress(HomeserverError):  # no token at all
                await attempt
    assert await subject.values() == before
    assert await subject.open_account(new("keeper"), kept)


@issuing
async def test_a_check_changes_nothing(subject: Subject) -> None:
    before = await subject.values()
    await subject.homeserver.check()
    assert await subject.values() == before


@issuing
async def test_a_check_says_what_went_wrong(subject: Subject) -> None:
    for fault in ("html", "limit", "half", "slow"):  # a lost answer is asked for again
        if fault in subject.faults:
            edge = subject.impatient() if fault == "slow" else subject.homeserver
            subject.go_wrong(fault)
            await refused(edge.check())


async def test_a_name_is_free_until_somebody_has_it(subject: Subject) -> None:
    name, token = new("somebody"), new("token")
    homeserver = subject.homeserver
    assert await homeserver.availability(name) is NameAvailability.FREE
    assert await homeserver.account(name) is None
    wish = own(token) if homeserver.abilities.own_tokens else Token(token)
    assert await subject.open_account(name, await issue(homeserver, wish))
    assert await homeserver.availability(name) is NameAvailability.TAKEN
    account = await homeserver.account(name)
    assert account is not None and account.name == name and not account.is_admin


async def test_no_name_for_this_server_is_free(subject: Subject) -> None:
    for name in ("has space", "ünï", "x" * 300):
        assert await subject.homeserver.availability(name) is not NameAvailability.FREE


async def test_a_name_is_left_open_when_the_answer_goes_wrong(subject: Subject) -> None:
    for fault in ("html", "limit", "half", "slow"):
        if fault in subject.faults:
            edge = subject.impatient()  # a new one each time: it rests after trouble
            subject.go_wrong(fault)
            assert await edge.availability(new("open")) is NameAvailability.UNKNOWN


@pytest.mark.parametrize("restriction", Restriction)
async def test_an_account_is_restricted_and_freed_where_the_server_can(
    subject: Subject, restriction: Restriction
) -> None:
    homeserver, name = subject.homeserver, new("rowdy")
    token = new("token")
    wish = own(token) if homeserver.abilities.own_tokens else Token(token)
    assert await subject.open_account(name, await issue(homeserver, wish))
    if restriction not in homeserver.abilities.restricts:
        with pytest.raises(Unable):
            await homeserver.restrict(name, restriction)
    else:
        for _ in range(2):
            await homeserver.restrict(name, restriction)
        assert await subject.restrictions(name) == {restriction}
    if restriction not in homeserver.abilities.lifts:
        with pytest.raises(Unable):
            await homeserver.lift(name, restriction)
    else:
        for _ in range(2):
            await homeserver.lift(name, restriction)
        assert await subject.restrictions(name) == set()


@pytest.mark.parametrize("restriction", Restriction)
async def test_nobody_is_touched_or_made_by_a_name_that_nobody_has(
    subject: Subject, restriction: Restriction
) -> None:
    homeserver = subject.homeserver
    for name in (*HOSTILE, new("nobody")):
        await refused(homeserver.restrict(name, restriction))
        await refused(homeserver.lift(name, restriction))
        if restriction in homeserver.abilities.restricts:
            with suppress(HomeserverError):  # no name at all
                assert await homeserver.account(name) is None


@pytest.mark.parametrize("kind", ["static"])
async def test_a_static_token_is_everybodys_and_stays(subject: Subject) -> None:
    homeserver = subject.homeserver
    (value,) = await subject.values()
    assert await issue(homeserver, Token(new("any")), new("old"), value) == value
    with pytest.raises(Unable):
        await homeserver.issue(own(new("own")))
    with pytest.raises(Unable):
        await homeserver.revoke(value)
    await homeserver.revoke(new("other"))
    await homeserver.check()
    assert await homeserver.state(value) == TokenState()
    assert all([await subject.open_account(new("crowd"), value) for _ in range(3)])
