"""The story of two lists compared: the homeserver's accounts and the desk's requests."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.homeserver.homeserver import Account, AccountDirectory
from gateway.settings import Settings
from gateway.store import registrations
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
        name, _, server = (settings.bot.user if settings.bot else "").partition(":")
        self._own = name.removeprefix("@") if server == settings.server_name else ""

    async def find(self, since: datetime | None) -> Found:
        """People's accounts made since then that were opened past the desk.

        Raises HomeserverError, Unable when this kind of homeserver does not list its accounts.
        """
        accounts = await self._directory.newest(since, _MOST + 1)
        looked_at = accounts[:_MOST]
        states = await self._database.read(
            lambda c: _states(c, [account.name for account in looked_at])
        )
        unknown = [
            Unknown(account, next(iter(states.get(account.name, ())), None))
            for account in looked_at
            if account.name != self._own
            and not any(status in _GRANTED for _, status in states.get(account.name, ()))
        ]
        people = await self._without_applications(unknown)
        return Found(tuple(people), len(looked_at), len(accounts) <= _MOST)

    async def _without_applications(self, unknown: list[Unknown]) -> list[Unknown]:
        turns = asyncio.Semaphore(_AT_ONCE)

        async def ask(each: Unknown) -> bool:
            async with turns:
                found = await self._directory.account(each.account.name)
                return found is not None and found.is_application

        asked, rest = unknown[:_ASKED], unknown[_ASKED:]
        answers = await asyncio.gather(*map(ask, asked))
        return [each for each, is_one in zip(asked, answers, strict=True) if not is_one] + rest


def _states(connection: Connection, names: Sequence[str]) -> dict[str, list[tuple[int, Status]]]:
    """The requests for some names, newest first."""
    found: dict[str, list[tuple[int, Status]]] = {}
    for start in range(0, len(names), 500):
        for name, number, status in registrations.named(connection, names[start : start + 500]):
            found.setdefault(name, []).append((number, status))
    return found
