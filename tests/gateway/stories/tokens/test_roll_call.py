"""A homeserver that was put back to an earlier state knows nothing of what happened since."""

from dataclasses import replace
from typing import Any

import pytest

from gateway.homeserver.homeserver import HomeserverError, NameAvailability, Token, TokenState
from gateway.store import tokens
from gateway.store.audit import Author
from gateway.stories.tokens import roll_call, shared_token
from tests.gateway.conftest import House, StrictTokens, text_of

MOD = Author("@mod:example.org", "$event")


@pytest.fixture(autouse=True)
def _restless(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roll_call, "_EVERY", 0.0)
    monkeypatch.setattr(shared_token, "_EVERY", 0.0)
    monkeypatch.setattr(shared_token, "_FRESH", 0.0)


async def mail_to(house: House, *names: str) -> None:
    for number, name in enumerate(names):
        await house.apply(name, f"{name}@example.net", f"203.0.{number}.1")
        await house.deliver()
        house.clock.turn(minutes=1)


def restore(source: StrictTokens, backup: dict[str, Token]) -> None:
    source.in_force = dict(backup)


def mailed(post: Any) -> list[str]:
    return [next(word for word in text_of(mail).split() if len(word) == 28) for mail in post.mails]


async def test_tokens_lost_with_a_restored_backup_open_accounts_again(house, post):
    await mail_to(house, "ann", "bob")
    backup = dict(house.source.in_force)
    await mail_to(house, "cid", "dan", "eve")
    restore(house.source, backup)
    await house.rotation.look()
    assert {*mailed(post)} == {*house.source.in_force}
    assert len(post.mails) == 5  # and nobody was mailed again
    _, text = (await house.alerts())["tokens lost"]
    assert "had lost the newest 3 tokens" in text
    calls = len(house.source.calls)
    await house.rotation.look()
    assert len(house.source.calls) == calls + 1  # the newest is there: no other is asked for


async def test_what_was_revoked_since_the_backup_is_revoked_again(house):
    await mail_to(house, "ann", "bob")
    backup = dict(house.source.in_force)
    leaked = next(iter(backup))
    await house.rotation.given.revoke(MOD, lambda c: tokens.with_value(c, leaked))
    await mail_to(house, "cid", "dan")
    restore(house.source, backup)
    assert leaked in house.source.in_force
    await house.rotation.look()
    assert leaked not in house.source.in_force and len(house.source.in_force) == 3


@pytest.mark.parametrize("deleted", [(0, 1, 2), (2,), (0, 1)])
async def test_what_somebody_may_have_deleted_there_is_not_put_back(house, post, deleted):
    await mail_to(house, "ann", "bob", "cid")
    values = mailed(post)
    for number in deleted:
        del house.source.in_force[values[number]]
    left = {*house.source.in_force}
    for _ in range(2):
        await house.rotation.look()
    assert {*house.source.in_force} == left
    told = (await house.alerts()).get("tokens lost", (0, ""))
    # Of older ones alone nobody asks each time: the newest speaks for all.
    assert told[0] == (2 in deleted)


async def test_an_earlier_token_is_asked_for_before_it_is_mailed(house, post):
    post.answers.append("451 later")
    await house.apply()
    await house.deliver()
    (value,) = house.source.in_force
    restore(house.source, {})
    house.clock.turn(minutes=5)
    house.source.is_down = True
    await house.deliver()
    assert post.mails == []  # what cannot be asked for is not mailed either
    house.source.is_down = False
    house.clock.turn(minutes=5)
    await house.deliver()
    assert mailed(post) == [value] == [*house.source.in_force]


async def test_who_has_used_his_token_is_mailed_no_other(house, post):
    """The mail may have arrived though we never heard so, or our own database is an old one."""
    post.answers.append("451 later")
    await house.apply()
    await house.deliver()
    await house.use_token(1)
    house.clock.turn(minutes=5)
    await house.deliver()
    assert post.mails == [] and await house.owed() == 0
    assert await house.statuses() == ["registered"]


async def test_a_name_taken_while_the_mail_waited_for_hours_gets_no_token(house, post):
    post.answers.append("451 later")
    await house.apply()
    await house.deliver()
    house.names.answers["ann"] = NameAvailability.TAKEN
    house.clock.turn(hours=2)
    await house.deliver()
    assert "taken" in text_of(post.mails[0]) and await house.statuses() == ["rejected"]


class Forgetful(StrictTokens):
    """A homeserver that forgets a token that is used up."""

    async def state(self, value: str) -> TokenState:
        found = await super().state(value)
        return replace(found, is_used_up=True) if found.is_gone else found


async def test_a_token_that_may_be_used_up_is_not_put_back_once_it_was_mailed(open_house, post):
    house = await open_house(source=Forgetful())
    post.answers.append("451 later")
    await house.apply()
    await house.deliver()
    restore(house.source, {})
    house.clock.turn(minutes=5)
    await house.deliver()
    assert len(post.mails) == 1 and len(house.source.in_force) == 1  # nobody had it: put back
    restore(house.source, {})
    await house.rotation.look()
    assert house.source.in_force == {}
    assert "tokens lost" not in await house.alerts()


async def test_a_shared_token_lost_while_we_run_is_replaced_before_the_next_mail(open_house, post):
    house = await open_house(tokens={"mode": "shared", "rotation": "0 0 * * *", "overlap": "1h"})
    await house.rotation.look()
    (old,) = house.source.in_force
    backup = dict(house.source.in_force)
    house.clock.turn(days=1)
    await house.rotation.look()
    house.clock.turn(hours=2)
    await house.rotation.look()
    (lost,) = house.source.in_force
    assert lost != old
    restore(house.source, backup)
    await house.apply()
    await house.deliver()
    assert post.mails == []
    await house.rotation.look()
    await house.deliver()
    (new,) = mailed(post)
    assert new not in (old, lost) and [*house.source.in_force] == [new]


async def test_tokens_that_are_refused_for_ever_hold_up_no_others(house, monkeypatch):
    await mail_to(house, *(f"n{n}x" for n in range(7)))
    stuck = [*house.source.in_force][:4]
    real = house.source.revoke

    async def revoke(value: str) -> None:
        if value in stuck:
            raise HomeserverError("not this one")
        await real(value)

    monkeypatch.setattr(house.source, "revoke", revoke)
    house.clock.turn(days=8)
    for _ in range(2):
        with pytest.raises(HomeserverError, match="not this one"):
            await house.rotation.look()
    assert [*house.source.in_force] == stuck
