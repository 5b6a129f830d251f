"""What Porter asks of a homeserver, whatever its kind.

One module per kind stands beside this one. Each keeps the promises of `Homeserver`; the stories
know nothing else of one, and each of them asks for the part that it needs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum
from typing import Protocol


class HomeserverError(Exception):
    """The homeserver did not do what was asked: one sentence that never holds a token."""


class Unable(HomeserverError):
    """This kind of homeserver cannot do it, however often it is asked; one sentence says why."""


class NotYet(HomeserverError):
    """It is asked for and will be done once the answer comes; one sentence says who owes it."""


class NameAvailability(Enum):
    """Whether a name can still be registered. UNKNOWN: the homeserver did not say."""

    FREE = "free"
    TAKEN = "taken"
    UNKNOWN = "unknown"


class Restriction(StrEnum):
    """What keeps somebody from his account, as the Matrix specification has it.

    A locked account can do nothing until it is unlocked; a suspended one can read and leave; a
    deactivated one is over.
    https://spec.matrix.org/v1.17/client-server-api/#account-locking and the sections beside it
    """

    DEACTIVATED = "deactivated"
    SUSPENDED = "suspended"
    LOCKED = "locked"


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a kind of homeserver can do; where it cannot, commands and pages say so.

    `title` is how sentences call it. A server that `replaces_tokens` takes new ones while it runs;
    one that takes `several_tokens` has them in force at the same time. One that `makes_tokens`
    chooses their values itself. `needs_room`: tokens come by its admin room, through the bot.
    One that `fails_open` asks nobody for a token while it has none. `announces_accounts`: new ones
    are told in its admin room.
    """

    title: str
    own_tokens: bool = True
    several_tokens: bool = True
    replaces_tokens: bool = True
    makes_tokens: bool = False
    counts_uses: bool = True
    needs_room: bool = False
    fails_open: bool = False
    lists_accounts: bool = False
    announces_accounts: bool = False
    restricts: frozenset[Restriction] = frozenset()
    lifts: frozenset[Restriction] = frozenset()


@dataclass(frozen=True, slots=True)
class Token:
    """A registration token: how many accounts it opens (None: any number), and until when.

    `expires_at` is aware UTC; None lasts until the token is revoked.
    """

    value: str
    uses: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that is in force. Its value is another than the wish's where the homeserver
    `makes_tokens`; `link` leads to a page on which it is filled in already."""

    value: str
    link: str | None = None


@dataclass(frozen=True, slots=True)
class TokenState:
    """Where a token stands, as far as the homeserver tells: how many accounts it opened (None: not
    told), whether these were all that it may, and whether the homeserver has no such token."""

    used: int | None = None
    is_used_up: bool = False
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is there: the part of its id before the colon, and what is known of it.

    `created_at` and `restrictions` are None where the homeserver does not tell.
    """

    name: str
    created_at: datetime | None = None
    is_admin: bool = False
    is_application: bool = False
    restrictions: frozenset[Restriction] | None = None


class TokenSource(Protocol):
    """Where tokens come into force. Every call may be repeated, so a retry is safe.

    All raise HomeserverError: `issue` and `revoke` when it is not certain that the wish is
    fulfilled, `check` when they could not be.
    """

    @property
    def abilities(self) -> Abilities:
        """What this homeserver can do."""

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Put `token` into force, then take the values `instead_of` out of it.

        In this order, so that at no moment there is no token at all. The value of the wish names
        it: asked for again, also after a crash, it is the same token.
        """

    async def revoke(self, value: str) -> None:
        """Take a token out of force; one that is unknown is out of force already.

        `value` is the token's own, or that of the wish.
        """

    async def state(self, value: str) -> TokenState:
        """Where a token stands that was issued and has not expired."""

    async def check(self) -> None:
        """Find out whether tokens could be issued, without changing anything."""


class Names(Protocol):
    """Whom to ask whether a name is free."""

    async def availability(self, name: str) -> NameAvailability:
        """FREE, TAKEN (in use, reserved, or no name for this server), else UNKNOWN.

        An answer comes within the homeserver's time limit, and no error.
        """


class AccountDirectory(Protocol):
    """Where accounts are looked up, restricted and set free. All raise HomeserverError."""

    @property
    def abilities(self) -> Abilities:
        """What this homeserver can do."""

    async def own_names(self) -> frozenset[str]:
        """The accounts that must stay as they are: by which Porter asks, and the server speaks."""

    async def account(self, name: str) -> Account | None:
        """The account of that name, deactivated ones too; None when there is none."""

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """People's accounts that were made since then, newest first, deactivated ones left out.

        Where it is not told when they were made: all of them. Raises Unable where accounts are not
        listed.
        """

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Put a restriction on an account; one that has it keeps it. Raises Unable."""

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Take a restriction from an account, if it has it. Raises Unable."""


class Homeserver(TokenSource, Names, AccountDirectory, Protocol):
    """All of it. A kind inherits from here what it cannot do."""

    async def state(self, value: str) -> TokenState:
        """Nothing is told."""
        return TokenState()

    async def own_names(self) -> frozenset[str]:
        """None: what Porter asks for needs no account."""
        return frozenset()

    async def account(self, name: str) -> Account | None:
        """All that is told of an account is that its name is taken."""
        availability = await self.availability(name)
        if availability is NameAvailability.UNKNOWN:
            raise HomeserverError("the homeserver does not say whether there is such an account")
        return Account(name) if availability is NameAvailability.TAKEN else None

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """Accounts are not listed."""
        raise Unable(f"{self.abilities.title} does not list its accounts")

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Accounts stay as they are."""
        raise Unable(f"{self.abilities.title} lets nobody be {restriction} from here")

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Accounts stay as they are."""
        raise Unable(f"with {self.abilities.title} nobody can be freed from being {restriction}")
