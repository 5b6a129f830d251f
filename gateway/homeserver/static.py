"""A homeserver with one registration token in its own configuration, read at start (Conduit)."""

from collections.abc import Sequence

from gateway.homeserver.homeserver import (
    Abilities,
    Homeserver,
    Issued,
    NameAvailability,
    Names,
    Token,
    Unable,
)


class StaticServer(Homeserver):
    """One token for everybody, which only the operator changes: here and there."""

    abilities = Abilities(
        title="a homeserver with a static token",
        own_tokens=False,
        several_tokens=False,
        replaces_tokens=False,
        counts_uses=False,
    )

    def __init__(self, value: str, names: Names) -> None:
        self._value = value
        self._names = names

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> Issued:
        """Whatever is wished for, it is the token that is there."""
        if token.uses is not None or token.expires_at is not None:
            raise Unable("a static token is everybody's, for any number of accounts")
        return Issued(self._value)

    async def revoke(self, value: str) -> None:
        """Raises Unable for the token that is there; another one opens nothing."""
        if value == self._value:
            raise Unable("a static token ends only in the homeserver's own configuration")

    async def check(self) -> None:
        """Nothing can be found out: a wrong token would show at a sign-up alone."""

    async def availability(self, name: str) -> NameAvailability:
        """As the client API tells."""
        return await self._names.availability(name)
