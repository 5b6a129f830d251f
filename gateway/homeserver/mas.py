"""A Synapse behind a Matrix Authentication Service (MAS), which has the accounts and their tokens.

Synapse's own sign-up, tokens and question for names are gone then; all is asked of MAS.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.homeserver.homeserver import (
    Abilities,
    Account,
    Homeserver,
    Issued,
    NameAvailability,
    Restriction,
    Token,
    TokenState,
)
from gateway.homeserver.mas_accounts import RESTRICTIONS, MasAccounts, could_be, read_name
from gateway.homeserver.mas_api import MasApi
from gateway.homeserver.mas_tokens import MasTokens
from gateway.homeserver.names import CarefulNames


class Mas(Homeserver):
    """Tokens, names and accounts by MAS' admin API."""

    abilities = Abilities(
        title="Matrix Authentication Service",
        lists_accounts=True,
        restricts=RESTRICTIONS,
        lifts=RESTRICTIONS,
    )

    def __init__(self, api: MasApi, timeout: timedelta, at_once: int) -> None:
        self._tokens = MasTokens(api)
        self._accounts = MasAccounts(api)
        self._names = CarefulNames(self._accounts.ask, timeout, at_once, read_name)

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Make the token, or find that an earlier attempt made it; then revoke `instead_of`."""
        return await self._tokens.issue(token, instead_of=instead_of)

    async def revoke(self, value: str) -> None:
        """Revoke it; a sign-up that is under way with it is turned away at its last step."""
        await self._tokens.revoke(value)

    async def state(self, value: str) -> TokenState:
        """How many accounts it opened. A revoked one is gone."""
        return await self._tokens.state(value)

    async def check(self) -> None:
        """Ask for the list of tokens, as the client that may."""
        await self._tokens.check()

    async def availability(self, name: str) -> NameAvailability:
        """Whether an account has the name; one that its operator's policy forbids looks free."""
        if not could_be(name):
            return NameAvailability.TAKEN
        return await self._names.availability(name)

    async def account(self, name: str) -> Account | None:
        """The account of that name."""
        return await self._accounts.account(name)

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """Accounts by the time they were made."""
        return await self._accounts.newest(since, most)

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Lock or deactivate; nobody's messages are erased by it."""
        await self._accounts.restrict(name, restriction)

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unlock or reactivate."""
        await self._accounts.lift(name, restriction)
