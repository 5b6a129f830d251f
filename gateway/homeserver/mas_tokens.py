"""Registration tokens of a Matrix Authentication Service, which knows them by ULIDs.

It never deletes a token: a revoked one stays, and so does one that is used up.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from gateway.homeserver.homeserver import HomeserverError, Issued, Token, TokenState
from gateway.homeserver.mas_api import MasApi, Resource, is_unknown
from gateway.homeserver.question import Answer

_TOKENS = "/user-registration-tokens"
# A token may come into the list later than its time says: it has the time at which it was asked
# for, by one of several machines.
_OVERLAP = timedelta(minutes=5)


class MasTokens:
    """Issues and revokes tokens whose uses and expiry the service enforces itself."""

    def __init__(self, api: MasApi) -> None:
        self._api = api
        self._ulids = _Ulids(api)

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Make the token, or find that an earlier attempt made it; then revoke `instead_of`."""
        wish: dict[str, Any] = {"usage_limit": token.uses, "expires_at": None}
        if token.expires_at is not None:
            wish["expires_at"] = token.expires_at.astimezone(UTC).isoformat()
        answer = await self._api.ask("POST", _TOKENS, body={"token": token.value, **wish})
        if answer.status == 201:
            made = self._api.one(answer)
        elif answer.status == 409:
            made = await self._settle(token.value, wish)
        else:
            raise self._api.refusal("issue a token", answer)
        if made.text("token") != token.value:
            raise HomeserverError(f"{self._api.url} answered with another token than the new one")
        if made.attributes.get("valid") is not True:
            raise HomeserverError(
                f"{self._api.url} has the new token, but it opens no account: its expiry is past"
            )
        self._ulids.learn(made)
        for value in instead_of:
            if value != token.value:
                await self.revoke(value)
        return Issued(token.value)

    async def revoke(self, value: str) -> None:
        """Revoke it; a sign-up that is under way with it is turned away at its last step."""
        ulid = await self._ulids.find(value)
        if ulid is None:
            return
        answer = await self._ask("POST", ulid, "/revoke")
        if answer.status == 400:  # also when it is revoked already
            answer = await self._ask("GET", ulid)
        if answer.status == 200 and not self._api.one(answer).has("revoked_at"):
            raise HomeserverError(f"{self._api.url} did not revoke a token")
        if answer.status != 200 and not is_unknown(answer):
            raise self._api.refusal("revoke a token", answer)
        self._ulids.forget(value)

    async def state(self, value: str) -> TokenState:
        """How many accounts it opened. A revoked one is gone."""
        ulid = await self._ulids.find(value)
        if ulid is None:
            return TokenState(is_gone=True)
        answer = await self._ask("GET", ulid)
        if is_unknown(answer):
            return TokenState(is_gone=True)
        if answer.status != 200:
            raise self._api.refusal("answer a question about a token", answer)
        token = self._api.one(answer)
        used, limit = token.attributes.get("times_used"), token.attributes.get("usage_limit")
        if not isinstance(used, int):
            return TokenState()
        return TokenState(used, isinstance(limit, int) and used >= limit, token.has("revoked_at"))

    async def check(self) -> None:
        """Ask for the list of tokens, of which one is enough."""
        answer = await self._api.ask("GET", _TOKENS, query={"page[first]": "1", "count": "false"})
        if answer.status != 200:
            raise self._api.refusal("answer a question about tokens", answer)

    async def _settle(self, value: str, wish: dict[str, Any]) -> Resource:
        """After a refused creation: bring the token that is there into the wished state."""
        ulid = await self._ulids.find(value) or await self._ulids.find_revoked(value)
        if ulid is None:
            raise HomeserverError(f"{self._api.url} has the new token already, but lists it not")
        answer = await self._ask("PUT", ulid, body=wish)
        if answer.status == 200 and self._api.one(answer).has("revoked_at"):
            answer = await self._ask("POST", ulid, "/unrevoke")
        if answer.status != 200:
            raise self._api.refusal("issue a token", answer)
        return self._api.one(answer)

    async def _ask(
        self, method: str, ulid: str, action: str = "", body: dict[str, Any] | None = None
    ) -> Answer:
        return await self._api.ask(method, f"{_TOKENS}/{ulid}{action}", body=body)


class _Ulids:
    """Which ULID each token has, as far as it is not revoked: learnt when one is made or listed.

    The list is read once (10,000 tokens are fifty questions), afterwards only what is new in it.
    """

    def __init__(self, api: MasApi) -> None:
        self._api = api
        self._known: dict[str, str] = {}
        self._read_until: datetime | None = None  # every token that was made before is known
        self._turn = asyncio.Lock()

    def learn(self, token: Resource) -> None:
        self._known[token.text("token")] = token.ulid

    def forget(self, value: str) -> None:
        self._known.pop(value, None)

    async def find(self, value: str) -> str | None:
        """The ULID of a token that is not revoked; None when there is no such token."""
        if value not in self._known:
            async with self._turn:
                if value not in self._known:
                    await self._read_on()
        return self._known.get(value)

    async def find_revoked(self, value: str) -> str | None:
        """The ULID of a token that is revoked: the list is read until it comes."""
        async for token in self._api.newest_first(_TOKENS, revoked="true"):
            if token.text("token") == value:
                return token.ulid
        return None

    async def _read_on(self) -> None:
        read_until = self._read_until
        async for token in self._api.newest_first(_TOKENS, revoked="false"):
            if self._read_until is not None and token.made_at < self._read_until - _OVERLAP:
                break
            read_until = max(read_until or token.made_at, token.made_at)
            self.learn(token)
        self._read_until = read_until
