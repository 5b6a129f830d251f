"""Homeservers that read their registration tokens from a file (see `token_file`)."""

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
from gateway.homeserver.token_file import TokenFile


class FileServer(Homeserver):
    """Any of them. An applicant's own token is a line, taken out when his account is there.

    Some have an admin room beside it; without `accounts` there they are out of our reach.
    """

    def __init__(
        self,
        file: TokenFile,
        names: Names,
        title: str,
        accounts: RoomAccounts | None = None,
        *,
        fails_open: bool = False,
    ) -> None:
        self._file = file
        self._names = names
        self._title = title
        self._accounts = accounts
        self._fails_open = fails_open

    @property
    def abilities(self) -> Abilities:
        """A token in a file opens any number of accounts."""
        accounts = self._accounts
        if accounts is None:
            return Abilities(title=self._title, counts_uses=False, fails_open=self._fails_open)
        return Abilities(
            title=self._title,
            counts_uses=False,
            fails_open=self._fails_open,
            announces_accounts=True,
            restricts=accounts.restricts,
            lifts=accounts.lifts,
        )

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Put the token into the file and take `instead_of` out, in one replacement."""
        await self._file.issue(token, instead_of=instead_of)
        return Issued(token.value)

    async def revoke(self, value: str) -> None:
        """Take the token out of the file."""
        await self._file.revoke(value)

    async def state(self, value: str) -> TokenState:
        """Whether it stands in the file; uses are not told."""
        return TokenState(is_gone=not await self._file.holds(value))

    async def check(self) -> None:
        """Look whether the file can be read, and its folder takes another."""
        await self._file.check()

    async def availability(self, name: str) -> NameAvailability:
        """As the client API tells."""
        return await self._names.availability(name)

    async def own_names(self) -> frozenset[str]:
        """The server's own user, where accounts are within our reach."""
        return frozenset() if self._accounts is None else frozenset({SERVER_LOCALPART})

    async def account(self, name: str) -> Account | None:
        """All that is told of an account is that its name is taken."""
        if self._accounts is None:
            return await super().account(name)
        return await self._accounts.account(name)

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """By the admin room, if there is one."""
        if self._accounts is None:
            await super().restrict(name, restriction)
        else:
            await self._accounts.restrict(name, restriction)

    async def lift(self, name: str, restriction: Restriction) -> None:
        """By the admin room, if there is one."""
        if self._accounts is None:
            await super().lift(name, restriction)
        else:
            await self._accounts.lift(name, restriction)
