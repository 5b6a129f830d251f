"""The story of two lists compared: the homeserver's accounts and the desk's requests.

Where the homeserver lists none, but announces new ones in its admin room, those that were announced
stand in for its list.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.homeserver.homeserver import Account, AccountDirectory
from gateway.settings.settings import Settings
from gateway.store import accounts, registrations
from gateway.store.database import Database
from gateway.store.registrations import LIVE, Status

_GRANTED = (*LIVE, Status.REGISTERED)
_MOST = 10_000  # accounts looked at
_ASKED = 100  # unknown accounts that are asked for their application
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class Unknown:
    """An account that no request was granted; the number and state of one that was not."""

    account: Account
    request: tuple[int, Status] | None


@dataclass(frozen=True, slots=True)
class Found:
    """Unknown accounts, newest first; how many accounts were looked at, and whether all were."""

    unknown: tuple[Unknown, ...]
    looked_at: int
    is_all: bool


class UnknownAccounts:
    """Finds accounts without a request."""

    def __init__(self, settings: Settings, database: Database, directory: AccountDirectory) -> None:
        self._database = database
        self._directory = directory
        self._own = settings.own_name

    async def find(self, since: datetime | None) -> Found:
        """People's accounts made since then that were opened past the desk.

        Raises HomeserverError, Unable when this kind of homeserver does not list its accounts.
        """
        found = await self._listed(since)
        looked_at = found[:_MOST]
        names = [account.name for account in looked_at]
        states, linked = await self._database.read(lambda c: (_states(c, names), _linked(c, names)))
        unknown = [
            Unknown(account, next(iter(states.get(account.name, ())), None))
            for account in looked_at
            if account.name != self._own
            and account.name not in linked
            and not any(status in _GRANTED for _, status in states.get(account.name, ()))
        ]
        people = await self._without_applications(unknown)
        return Found(tuple(people), len(looked_at), len(found) <= _MOST)

    async def _listed(self, since: datetime | None) -> list[Account]:
        """People's accounts, newest first, as the homeserver lists or announced them."""
        abilities = self._directory.abilities
        if abilities.lists_accounts or not abilities.announces_accounts:
            return await self._directory.newest(since, _MOST + 1)
        seen = await self._database.read(lambda c: accounts.newest(c, since, _MOST + 1))
        return [Account(each.name, each.at) for each in seen]

    async def _without_applications(self, unknown: list[Unknown]) -> list[Unknown]:
        if not self._directory.abilities.lists_accounts:
            return unknown  # nor does it tell who belongs to a bridge
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(each: Unknown) -> bool:
            async with turns:
                found = await self._directory.account(each.account.name)
                return found is not None and found.is_application

        asked, rest = unknown[:_ASKED], unknown[_ASKED:]
        answers = await asyncio.gather(*map(ask, asked))
        return [each for each, is_one in zip(asked, answers, strict=True) if not is_one] + rest


def _linked(connection: Connection, names: Sequence[str]) -> set[str]:
    """Those that are of a request, whatever name it asked for."""
    found: set[str] = set()
    for start in range(0, len(names), 500):
        found |= accounts.linked(connection, names[start : start + 500])
    return found


def _states(connection: Connection, names: Sequence[str]) -> dict[str, list[tuple[int, Status]]]:
    """The requests for some names, newest first."""
    found: dict[str, list[tuple[int, Status]]] = {}
    for start in range(0, len(names), 500):
        for name, number, status in registrations.named(connection, names[start : start + 500]):
            found.setdefault(name, []).append((number, status))
    return found
