"""Registration tokens by Synapse's admin API.

https://element-hq.github.io/synapse/latest/usage/administration/admin_api/registration_tokens.html
Its error texts quote the token they are about, so none of them is passed on; errcodes are.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import HomeserverError, Issued, Token, TokenState, Unable
from gateway.homeserver.question import Answer
from gateway.rules.tokens import new_token

_TOKENS = "/v1/registration_tokens/"


class SynapseTokens:
    """Issues and revokes tokens whose uses and expiry the homeserver enforces itself.

    Its count of uses has a gap (seen on 1.163): it is read in one transaction and raised in the
    next, so sign-ups that overlap within milliseconds may each open an account with a single-use
    token. The token's `completed` then exceeds its `uses_allowed`; later sign-ups are refused.
    """

    def __init__(self, api: AdminApi) -> None:
        self._api = api

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Make the token, or find that an earlier attempt made it; then revoke `instead_of`."""
        wish: dict[str, Any] = {"uses_allowed": token.uses, "expiry_time": None}
        if token.expires_at is not None:
            wish["expiry_time"] = int(token.expires_at.timestamp() * 1000)
        answer = await self._ask("POST", "new", {"token": token.value, **wish})
        if answer.status == 400:
            answer = await self._settle(token.value, wish)
        if answer.status != 200:
            raise self._api.refusal("issue a token", answer)
        if answer.body.get("token") != token.value:  # a proxy's, which says "all is well"
            raise HomeserverError(f"{self._api.url} answered with another token than the new one")
        for value in instead_of:
            if value != token.value:
                await self.revoke(value)
        return Issued(token.value)

    async def revoke(self, value: str) -> None:
        """Delete the token; sign-ups already under way with it are turned away too."""
        answer = await self._ask("DELETE", value)
        if answer.status != 200 and not is_unknown(answer):
            raise self._api.refusal("revoke a token", answer)

    async def state(self, value: str) -> TokenState:
        """How many sign-ups were completed; one under way does not count yet."""
        answer = await self._ask("GET", value)
        if is_unknown(answer):
            return TokenState(is_gone=True)
        if answer.status != 200:
            raise self._api.refusal("answer a question about a token", answer)
        used, uses = answer.body.get("completed"), answer.body.get("uses_allowed")
        if not isinstance(used, int):
            return TokenState()
        return TokenState(used, isinstance(uses, int) and used >= uses)

    async def check(self) -> None:
        """Ask for a token that nobody has: only an admin is told that there is none."""
        answer = await self._ask("GET", new_token())
        if answer.status != 200 and not is_unknown(answer):
            raise self._api.refusal("answer a question about tokens", answer)

    async def _settle(self, value: str, wish: dict[str, Any]) -> Answer:
        """After a refused creation: the word on the token that is there, now as wished for."""
        answer = await self._ask("GET", value)
        if is_unknown(answer):  # so the creation was refused for the wish itself
            raise HomeserverError(
                f"{self._api.url} refused the new token: its expiry is past, or it is malformed"
            )
        if answer.status == 200 and any(answer.body.get(key) != wish[key] for key in wish):
            answer = await self._ask("PUT", value, wish)
        return answer

    async def _ask(self, method: str, tail: str, body: dict[str, Any] | None = None) -> Answer:
        # A value that is no token ("..", "a/b") must not reach another part of the admin API.
        if tail in (".", ".."):
            raise Unable(f"a token that reads {tail!r} cannot be asked for")
        return await self._api.ask(method, _TOKENS + quote(tail, safe=""), body=body)


def is_unknown(answer: Answer) -> bool:
    """Whether Synapse itself, not a proxy before it, says that there is no such token."""
    return answer.status == 404 and answer.errcode == "M_NOT_FOUND"
