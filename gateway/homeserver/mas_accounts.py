"""Accounts of a Matrix Authentication Service; those of applications are the homeserver's alone."""

import re
from datetime import datetime
from urllib.parse import quote

from gateway.homeserver.homeserver import (
    Account,
    HomeserverError,
    NameAvailability,
    Restriction,
    Unable,
)
from gateway.homeserver.mas_api import MasApi, Resource, is_unknown
from gateway.homeserver.question import Answer

_USERS = "/users"
_NAME = re.compile(r"[a-z0-9.=_/+-]{1,252}")
# The attribute that tells of a restriction, and the actions that put it on and take it off.
_WAYS = {
    Restriction.LOCKED: ("locked_at", "lock", "unlock"),
    Restriction.DEACTIVATED: ("deactivated_at", "deactivate", "reactivate"),
}
RESTRICTIONS = frozenset(_WAYS)


class MasAccounts:
    """Lists and looks up accounts, restricts them and sets them free."""

    def __init__(self, api: MasApi) -> None:
        self._api = api

    async def ask(self, name: str) -> Answer:
        """The question who has a name; letters of either case are the same to MAS."""
        if name in (".", ".."):  # they would lead to another part of the admin API
            raise HomeserverError(f"{name!r} is no name of an account")
        return await self._api.ask("GET", f"{_USERS}/by-username/{quote(name, safe='')}")

    async def account(self, name: str) -> Account | None:
        """The account of that name."""
        user = await self._find(name)
        return None if user is None else _read(user)

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """By the time they were made, which their ULIDs begin with; guests are left out."""
        found: list[Account] = []
        async for user in self._api.newest_first(_USERS):
            if since is not None and user.made_at < since:
                break
            if not user.has("deactivated_at") and user.attributes.get("legacy_guest") is not True:
                found.append(_read(user))
            if len(found) >= most:
                break
        return found

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Lock or deactivate; nobody's messages are erased by it."""
        if restriction not in _WAYS:
            raise Unable("MAS itself suspends nobody: lock the account")
        attribute, action, _ = _WAYS[restriction]
        user = await self._must_find(name)
        if not user.has(attribute):
            body = {"skip_erase": True} if restriction is Restriction.DEACTIVATED else None
            answer = await self._api.ask("POST", f"{_USERS}/{user.ulid}/{action}", body=body)
            self._expect(answer, f"{action} @{name}")

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unlock or reactivate: a reactivated account has its old password."""
        if restriction not in _WAYS:
            raise Unable("MAS itself suspends nobody, and sets nobody free from it")
        attribute, _, action = _WAYS[restriction]
        user = await self._must_find(name)
        if user.has(attribute):
            answer = await self._api.ask("POST", f"{_USERS}/{user.ulid}/{action}")
            self._expect(answer, f"{action} @{name}")

    def _expect(self, answer: Answer, wish: str) -> None:
        if answer.status != 200:
            raise self._api.refusal(wish, answer)

    async def _find(self, name: str) -> Resource | None:
        answer = await self.ask(name)
        if is_unknown(answer):
            return None
        if answer.status != 200:
            raise self._api.refusal("answer a question about an account", answer)
        user = self._api.one(answer)
        return user if user.text("username") == name else None  # who has it in other letters

    async def _must_find(self, name: str) -> Resource:
        user = await self._find(name)
        if user is None:
            raise HomeserverError(f"{self._api.url} has no account @{name}")
        return user


def could_be(name: str) -> bool:
    """Whether MAS lets anybody have such a name (policies/register/register.rego)."""
    return _NAME.fullmatch(name) is not None and not name.isdigit()


def read_name(answer: Answer) -> NameAvailability:
    """Whether a name is free, by the answer who has it.

    A name that MAS' own policy or the homeserver forbids looks free: neither is asked about here.
    """
    if answer.status == 200 and "data" in answer.body:
        return NameAvailability.TAKEN
    return NameAvailability.FREE if is_unknown(answer) else NameAvailability.UNKNOWN


def _read(user: Resource) -> Account:
    return Account(
        name=user.text("username"),
        created_at=user.made_at,
        is_admin=user.attributes.get("admin") is True,
        restrictions=frozenset(
            each for each, (attribute, _, _) in _WAYS.items() if user.has(attribute)
        ),
    )
