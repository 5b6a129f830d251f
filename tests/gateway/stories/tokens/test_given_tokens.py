"""A moderator gives a token to somebody whom he met, and ends single tokens."""

from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway.homeserver.homeserver import Token
from gateway.homeserver.static import StaticServer
from gateway.store import tokens
from gateway.store.audit import Author
from tests.gateway.conftest import ToldNames, register, synapse_at

WEEK = timedelta(days=7)


def mod(event: str = "$one") -> Author:
    return Author("@mod:example.org", event)


async def test_a_given_token_works_for_its_uses_until_its_end(house) -> None:
    token, works = await house.rotation.given.issue(mod(), 3, WEEK, "Ann, met at the fair")
    assert works
    end = house.clock() + WEEK
    assert house.source.in_force == {token.value: Token(token.value, 3, end)}
    (given,) = await house.rotation.given.standing()
    assert (given.by, given.note, given.used) == ("@mod:example.org", "Ann, met at the fair", 0)
    house.clock.turn(days=7)
    await house.rotation.look()
    assert house.source.in_force == {}
    assert await house.rotation.given.standing() == []


async def test_one_event_makes_one_token_however_often_it_is_carried_out(house) -> None:
    first, _ = await house.rotation.given.issue(mod(), 1, WEEK)
    again, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert (again.value, works) == (first.value, True)
    other, _ = await house.rotation.given.issue(mod("$two"), 1, WEEK)
    assert other.value != first.value
    assert await house.audited() == [
        ("@mod:example.org", "issue", f"token {first.id}"),
        ("@mod:example.org", "issue", f"token {other.id}"),
    ]


@pytest.mark.parametrize("mood", ["before", "after"])
async def test_a_crash_before_the_answer_leads_to_the_same_token(house, mood) -> None:
    house.source.moods.append(mood)
    token, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert not works
    again, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert (again.value, works) == (token.value, True)
    assert list(house.source.in_force) == [token.value]


async def test_a_homeserver_that_was_away_gets_the_token_at_the_next_look(house) -> None:
    house.source.is_down = True
    token, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert not works
    house.source.is_down = False
    await house.rotation.look()
    assert list(house.source.in_force) == [token.value]


async def test_the_terminal_makes_a_token_each_time(house) -> None:
    by_hand = Author("terminal:root")
    first, _ = await house.rotation.given.issue(by_hand, 1, WEEK)
    second, _ = await house.rotation.given.issue(by_hand, 1, WEEK)
    assert first.value != second.value


async def test_a_revoked_token_opens_nothing_and_its_end_is_audited_once(house) -> None:
    token, _ = await house.rotation.given.issue(mod(), 1, WEEK)
    revoke = house.rotation.given.revoke
    done = await revoke(mod("$end"), lambda c: tokens.get(c, token.id))
    assert (done.gone, done.mail_owed) == (True, False)
    assert house.source.in_force == {}
    assert (await revoke(mod("$end"), lambda c: tokens.get(c, token.id))).gone
    assert [action for _, action, _ in await house.audited()] == ["issue", "revoke"]
    with pytest.raises(ValueError, match="has ended already"):
        await revoke(mod("$other"), lambda c: tokens.get(c, token.id))


async def test_a_token_revoked_while_the_homeserver_is_away_is_taken_back_later(house) -> None:
    token, _ = await house.rotation.given.issue(mod(), 1, WEEK)
    house.source.is_down = True
    done = await house.rotation.given.revoke(mod("$end"), lambda c: tokens.get(c, token.id))
    assert not done.gone
    house.source.is_down = False
    await house.rotation.look()
    assert house.source.in_force == {}


async def test_a_token_ended_while_it_was_being_issued_does_not_live_on(house) -> None:
    async def end_it() -> None:
        (token,) = await house.database.read(lambda c: tokens.given(c, house.clock(), 5))
        await house.rotation.given.revoke(mod("$end"), lambda c: tokens.get(c, token.id))

    house.source.before_issue = end_it
    _, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert not works
    await house.rotation.look()
    assert house.source.in_force == {}


async def test_an_applicants_own_token_is_revoked_and_a_mail_that_is_owed_is_said(house) -> None:
    await house.apply()
    await house.rotation.token_for(1)
    done = await house.rotation.given.revoke(mod(), lambda c: tokens.of(c, 1))
    assert (done.token.registration_id, done.mail_owed) == (1, True)
    assert house.source.in_force == {}


async def test_the_shared_token_is_not_revoked(shared) -> None:
    await shared.rotation.look()
    with pytest.raises(ValueError, match="rotate it instead"):
        await shared.rotation.given.revoke(mod(), tokens.current_shared)
    with pytest.raises(ValueError, match="no such token"):
        await shared.rotation.given.revoke(mod(), lambda c: tokens.get(c, 99))


async def test_what_a_homeserver_of_another_kind_cannot_give_is_given_up_and_told(
    house, open_house
) -> None:
    house.source.is_down = True
    made, works = await house.rotation.given.issue(mod(), 1, WEEK)
    assert not works
    other = await open_house(
        source=StaticServer("fixedtokenone2", ToldNames()), tokens={"mode": "shared"}
    )
    await other.rotation.look()
    await other.rotation.look()
    assert "Token 1, given by hand, will never work" in (await other.alerts())["token given up"][1]
    assert await other.rotation.given.standing() == []
    assert made.value not in str(await other.alerts())


async def test_a_leak_ends_given_tokens_too_and_says_so(shared) -> None:
    await shared.rotation.look()
    await shared.rotation.given.issue(mod(), 1, WEEK)
    done = await shared.rotation.rotate(mod("$leak"))
    assert (done.outstanding, done.given) == (2, 1)
    assert len(shared.source.in_force) == 1


async def test_on_synapse_it_opens_its_accounts_is_counted_and_ends(
    open_house, clock, synapse
) -> None:
    clock.now = datetime.now(UTC)
    admin = await synapse.register_user("given-admin", "pass-word-1", admin=True)
    async with aiohttp.ClientSession() as session:
        source = synapse_at(session, synapse.url, admin)
        house = await open_house(source=source)
        given = house.rotation.given
        token, works = await given.issue(mod(), 2, WEEK)
        assert works
        assert await register(session, synapse.url, "given1", token.value)
        assert [each.used for each in await given.standing()] == [1]
        assert await register(session, synapse.url, "given2", token.value)
        assert not await register(session, synapse.url, "given3", token.value)
        other, _ = await given.issue(mod("$two"), 1, WEEK)
        assert (await given.revoke(mod("$end"), lambda c: tokens.get(c, other.id))).gone
        assert not await register(session, synapse.url, "given4", other.value)
        assert (await source.state(other.value)).used is None
