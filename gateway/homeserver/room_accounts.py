"""Accounts by commands in the homeserver's admin room."""

import re

from gateway.homeserver.admin_room import AdminRoom
from gateway.homeserver.homeserver import (
    Account,
    HomeserverError,
    NameAvailability,
    Names,
    Restriction,
    Unable,
)
from gateway.homeserver.room_commands import LIFT, RESTRICT, Dialect
from gateway.rules.replies import complaint_in

# What these servers take for a name; of any other they say that it cannot be had.
_NAME = re.compile(r"[A-Za-z0-9._=/+-]+")


class RoomAccounts:
    """Has accounts restricted and set free in the `room`, as far as the server can."""

    def __init__(self, room: AdminRoom, dialect: Dialect, names: Names, server_name: str) -> None:
        self._room = room
        self._names = names
        self._server_name = server_name
        self._title = dialect.title
        self.restricts = dialect.restricts
        self.lifts = dialect.lifts

    async def account(self, name: str) -> Account | None:
        """All that is told of an account is that its name is taken."""
        availability = NameAvailability.FREE
        if _NAME.fullmatch(name):
            availability = await self._names.availability(name)
        if availability is NameAvailability.UNKNOWN:
            raise HomeserverError(f"{self._title} does not say whether there is such an account")
        return Account(name) if availability is NameAvailability.TAKEN else None

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Deactivate, suspend or lock. A deactivated account also leaves its rooms."""
        if restriction not in self.restricts:
            raise Unable(f"{self._title} lets nobody be {restriction} from here")
        if restriction in LIFT:
            await self._room.discard(_key(LIFT[restriction][0], name))
        await self._do(name, *RESTRICT[restriction])

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unsuspend or unlock."""
        await self._room.discard(_key(RESTRICT[restriction][0], name))
        if restriction not in self.lifts:
            raise Unable(f"with {self._title} nobody can be freed from being {restriction}")
        await self._do(name, *LIFT[restriction])

    async def _do(self, name: str, verb: str, done: str) -> None:
        """One command. While its reply is owed it stays ordered, until the contrary is wanted."""
        # Some of these servers would make the account that they are to deactivate.
        if await self.account(name) is None:
            raise HomeserverError(f"{self._title} has no account of that name")
        key, user = _key(verb, name), f"@{name}:{self._server_name}"
        reply = await self._room.order(key, f"!admin users {verb} {user}")
        await self._room.discard(key)  # the next time it is another one
        if f"User {user} has been {done}".casefold() not in reply.casefold():
            raise HomeserverError(
                f"{self._title} did not {verb} @{name} in its admin room: {complaint_in(reply)}"
            )


def _key(verb: str, name: str) -> str:
    return f"{verb} @{name}"
