"""The commands of the admin rooms of the conduwuit family, server by server, as data.

Read in the sources of conduwuit 0.5.0-rc4, continuwuity 0.5.0 to 26.8.0 and tuwunel 1.5.0 to 1.9.0
(`src/admin/token`, `src/admin/user`).
"""

from dataclasses import dataclass
from datetime import datetime

from gateway.homeserver.homeserver import Restriction, Token


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one of these servers wants its commands, and what they can do.

    Where `ages` is true a token takes the count of its uses and its age together, and lives for
    ever without either. Else it takes exactly one condition, and we end it ourselves.
    """

    title: str
    ages: bool = False
    fails_open: bool = False
    restricts: frozenset[Restriction] = frozenset({Restriction.DEACTIVATED})
    lifts: frozenset[Restriction] = frozenset()

    def issue(self, token: Token, now: datetime) -> str:
        """The command that makes a token as this one is wished for, with a value of its own."""
        flags = []
        if token.uses is not None:
            flags.append("--once" if token.uses == 1 else f"--max-uses {token.uses}")
        elif not self.ages:
            flags.append("--immortal")
        if self.ages and token.expires_at is not None:
            seconds = max(1, round((token.expires_at - now).total_seconds()))
            flags.append(f"--max-age {seconds}s")
        return " ".join(["!admin token issue", *flags])


_PASSING = frozenset({Restriction.LOCKED, Restriction.SUSPENDED})

CONDUWUIT = Dialect("conduwuit")
# The lock came with 0.5.2, the suspension with 0.5.0.
CONTINUWUITY = Dialect(
    "continuwuity", restricts=frozenset({*_PASSING, Restriction.DEACTIVATED}), lifts=_PASSING
)
TUWUNEL = Dialect("tuwunel", ages=True, fails_open=True)

LIST = "!admin token list"
REVOKED = (
    "Token revoked successfully",
    "This token does not exist or has already expired",  # continuwuity
    "Registration token not found",  # tuwunel
)
STAYS = "cannot be revoked"  # a token of the configuration or of the token file, on both


def revoke(value: str) -> str:
    """The command that ends a token."""
    return f"!admin token revoke {value}"


# The verb of each command upon accounts, and what its reply says was done.
RESTRICT = {
    Restriction.DEACTIVATED: ("deactivate", "deactivated"),
    Restriction.SUSPENDED: ("suspend", "suspended"),
    Restriction.LOCKED: ("lock", "locked"),
}
LIFT = {
    Restriction.SUSPENDED: ("unsuspend", "unsuspended"),
    Restriction.LOCKED: ("unlock", "unlocked"),
}
