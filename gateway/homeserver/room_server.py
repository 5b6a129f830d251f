"""Homeservers whose tokens and accounts are commanded in their admin room: continuwuity since
0.5.2, tuwunel since 1.5."""

from collections.abc import Sequence

from gateway.homeserver.admin_room import SERVER_LOCALPART
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
from gateway.homeserver.room_accounts import RoomAccounts
from gateway.homeserver.room_commands import Dialect
from gateway.homeserver.room_tokens import RoomTokens


class RoomServer(Homeserver):
    """One of them: all but the names goes through its admin room, by way of the bot."""

    def __init__(
        self, dialect: Dialect, tokens: RoomTokens, accounts: RoomAccounts, names: Names
    ) -> None:
        self._tokens = tokens
        self._accounts = accounts
        self._names = names
        self._abilities = Abilities(
            title=dialect.title,
            fails_open=dialect.fails_open,
            makes_tokens=True,
            needs_room=True,
            announces_accounts=True,
            restricts=accounts.restricts,
            lifts=accounts.lifts,
        )

    @property
    def abilities(self) -> Abilities:
        """As the server's own commands are."""
        return self._abilities

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Have the token made, or find the one that was made; then revoke `instead_of`."""
        return await self._tokens.issue(token, instead_of=instead_of)

    async def revoke(self, value: str) -> None:
        """Revoke a token by its own value, or by that of the wish."""
        await self._tokens.revoke(value)

    async def state(self, value: str) -> TokenState:
        """As the room's list of tokens tells."""
        return await self._tokens.state(value)

    async def check(self) -> None:
        """Find out whether orders are carried out."""
        await self._tokens.check()

    async def availability(self, name: str) -> NameAvailability:
        """As the client API tells."""
        return await self._names.availability(name)

    async def account(self, name: str) -> Account | None:
        """All that is told of an account is that its name is taken."""
        return await self._accounts.account(name)

    async def own_names(self) -> frozenset[str]:
        """The server's own user."""
        return frozenset({SERVER_LOCALPART})

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Deactivate, suspend or lock, as far as the server can."""
        await self._accounts.restrict(name, restriction)

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unsuspend or unlock, as far as the server can."""
        await self._accounts.lift(name, restriction)
