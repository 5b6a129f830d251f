"""Accounts and names of a Matrix Authentication Service."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.homeserver.homeserver import (
    HomeserverError,
    NameAvailability,
    Restriction,
    Unable,
)
from gateway.homeserver.mas import Mas as Edge
from gateway.homeserver.mas_accounts import MasAccounts
from tests.stand_ins.mas import Mas

LOCKED, DEACTIVATED = Restriction.LOCKED, Restriction.DEACTIVATED


@pytest.fixture
def accounts(edge: Any) -> MasAccounts:
    return MasAccounts(edge.api())


@pytest.fixture
def homeserver(edge: Any) -> Edge:
    return Edge(edge.api(), timedelta(seconds=5), at_once=2)


async def test_an_account_is_told_of(service: Mas, accounts: MasAccounts) -> None:
    made = service.add_user("alice", admin=True)
    account = await accounts.account("alice")
    assert account is not None and (account.name, account.is_admin) == ("alice", True)
    assert account.created_at == made["created_at"] and account.restrictions == frozenset()
    assert await accounts.account("nobody") is None


async def test_the_newest_come_first_without_guests_and_the_deactivated(
    service: Mas, accounts: MasAccounts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.homeserver.mas_api._PAGE", 2)
    start = service.now
    for number in range(7):
        service.add_user(f"u{number}", created_at=start + timedelta(seconds=number))
    made = list(service.users.values())
    made[6]["locked_at"], made[5]["deactivated_at"] = start, start
    made[4]["legacy_guest"] = True

    async def names(since: Any, most: int) -> list[str]:
        return [each.name for each in await accounts.newest(since, most)]

    assert await names(None, 99) == ["u6", "u3", "u2", "u1", "u0"]
    assert await names(None, 2) == ["u6", "u3"]
    assert await names(start + timedelta(seconds=2), 99) == ["u6", "u3", "u2"]
    service.asked.clear()
    assert await names(start + timedelta(seconds=6), 99) == ["u6"]
    assert len(service.asked) == 1


@pytest.mark.parametrize("restriction", [LOCKED, DEACTIVATED])
async def test_an_account_is_restricted_and_freed(
    service: Mas, accounts: MasAccounts, restriction: Restriction
) -> None:
    service.add_user("rowdy")
    for _ in range(2):
        await accounts.restrict("rowdy", restriction)
    account = await accounts.account("rowdy")
    assert account is not None and account.restrictions == {restriction}
    for _ in range(2):
        await accounts.lift("rowdy", restriction)
    account = await accounts.account("rowdy")
    assert account is not None and account.restrictions == frozenset()
    assert service.erased == []  # messages stay
    actions = [each.rpartition("/")[2] for each in service.asked if each.startswith("POST /api")]
    assert len(actions) == 2  # what is so already is not done again


async def test_nobody_is_suspended_and_nobody_made(service: Mas, accounts: MasAccounts) -> None:
    with pytest.raises(Unable):
        await accounts.restrict("rowdy", Restriction.SUSPENDED)
    for attempt in (accounts.restrict("ghost", LOCKED), accounts.lift("ghost", DEACTIVATED)):
        with pytest.raises(HomeserverError, match="has no account @ghost"):
            await attempt
    with pytest.raises(HomeserverError, match="no name of an account"):
        await accounts.account("..")
    assert service.users == {}


async def test_a_name_in_other_letters_is_somebody_else(
    service: Mas, accounts: MasAccounts
) -> None:
    alice = service.add_user("alice")
    assert await accounts.account("Alice") is None
    with pytest.raises(HomeserverError, match="has no account @ALICE"):
        await accounts.restrict("ALICE", LOCKED)
    assert alice["locked_at"] is None


async def test_names_are_asked_of_the_service(service: Mas, homeserver: Edge) -> None:
    service.add_user("Alice", deactivated_at=service.now)
    assert await homeserver.availability("alice") is NameAvailability.TAKEN
    assert await homeserver.availability("bob") is NameAvailability.FREE
    service.asked.clear()
    for name in ("Bob", "b b", "12345", "", "ünï", "x" * 253, "b\n"):  # by its own policy
        assert await homeserver.availability(name) is NameAvailability.TAKEN
    assert service.asked == []
    await service.stop()
    assert await homeserver.availability("bob") is NameAvailability.UNKNOWN
