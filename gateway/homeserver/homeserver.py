"""What Porter asks of a homeserver, whatever its kind: to let a token open an account, or no more.

One module per kind stands beside this one. Each keeps the promises of `TokenSource`; the stories
know nothing else of a homeserver.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol


class HomeserverError(Exception):
    """The homeserver did not do what was asked: one sentence that never holds a token."""


class NameAvailability(Enum):
    """Whether a name can still be registered. UNKNOWN: the homeserver did not say."""

    FREE = "free"
    TAKEN = "taken"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Token:
    """A registration token: how many accounts it opens (None: any number), and until when.

    `expires_at` is aware UTC; None lasts until the token is revoked.
    """

    value: str
    uses: int | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Account:
    """An account that is there: the part of its id before the colon, and since when."""

    name: str
    created_at: datetime
    is_admin: bool = False


class AccountDirectory(Protocol):
    """Where accounts can be listed. All raise HomeserverError."""

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """People's accounts that were made since then, newest first, deactivated ones left out."""

    async def is_application(self, name: str) -> bool:
        """Whether an account belongs to a bridge or another application service."""


class TokenSource(Protocol):
    """Where tokens come into force. Every call may be repeated, so a retry is safe.

    All raise HomeserverError: `issue` and `revoke` when it is not certain that the wish is
    fulfilled, `check` when they could not be.
    """

    @property
    def counts_uses(self) -> bool:
        """Whether the homeserver keeps to a token's uses; else it opens any number of accounts."""

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> None:
        """Put `token` into force, then take the values `instead_of` out of it.

        In this order, so that at no moment there is no token at all.
        """

    async def revoke(self, value: str) -> None:
        """Take a token out of force; one that is unknown is out of force already."""

    async def is_used_up(self, value: str) -> bool:
        """Whether a token has opened all its accounts, as far as the homeserver tells.

        Raises HomeserverError.
        """

    async def used(self, value: str) -> int | None:
        """How many accounts a token has opened; None where the homeserver does not tell.

        Raises HomeserverError.
        """

    async def check(self) -> None:
        """Find out whether tokens could be issued, without changing anything."""
