"""Synapse: tokens and accounts by its admin API, names by the client API."""

from collections.abc import Sequence
from datetime import datetime

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import (
    Abilities,
    Account,
    Homeserver,
    Issued,
    NameAvailability,
    Names,
    Restriction,
    Token,
    TokenState,
)
from gateway.homeserver.synapse_accounts import SynapseAccounts
from gateway.homeserver.synapse_tokens import SynapseTokens


class Synapse(Homeserver):
    """A Synapse that signs people up itself. With an authentication service before it: `mas`."""

    abilities = Abilities(
        title="Synapse",
        lists_accounts=True,
        restricts=frozenset(Restriction),
        lifts=frozenset({Restriction.LOCKED, Restriction.SUSPENDED}),
    )

    def __init__(self, api: AdminApi, names: Names, server_name: str) -> None:
        self._tokens = SynapseTokens(api)
        self._names = names
        self._accounts = SynapseAccounts(api, server_name)

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Make the token, or find that an earlier attempt made it; then revoke `instead_of`."""
        return await self._tokens.issue(token, instead_of=instead_of)

    async def revoke(self, value: str) -> None:
        """Delete the token; sign-ups already under way with it are turned away too."""
        await self._tokens.revoke(value)

    async def state(self, value: str) -> TokenState:
        """How many sign-ups were completed; one under way does not count yet."""
        return await self._tokens.state(value)

    async def check(self) -> None:
        """Ask for a token that nobody has: only an admin is told that there is none."""
        await self._tokens.check()

    async def availability(self, name: str) -> NameAvailability:
        """As the client API tells."""
        return await self._names.availability(name)

    async def own_names(self) -> frozenset[str]:
        """That of the admin whose access token this is."""
        return frozenset({await self._accounts.own_name()})

    async def account(self, name: str) -> Account | None:
        """The account's own page."""
        return await self._accounts.account(name)

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """Accounts by the time they were made."""
        return await self._accounts.newest(since, most)

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Lock, suspend or deactivate; nobody's messages are erased by it."""
        await self._accounts.restrict(name, restriction)

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unlock or unsuspend; a deactivated account is lost."""
        await self._accounts.lift(name, restriction)
