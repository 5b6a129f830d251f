"""tuwunel from 1.8.1 on, which answers to Synapse's admin API in a manner of its own.

Read in its sources (src/api/client/admin, src/service/registration_tokens), 1.8.1 to 1.9.0. It
forgets a token that is used up or over, keeps no time at which an account was made, and lists
accounts by their names, its own user among them.
"""

from datetime import datetime

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.admin_room import SERVER_LOCALPART
from gateway.homeserver.homeserver import (
    Abilities,
    Account,
    Names,
    Restriction,
    TokenState,
    Unable,
)
from gateway.homeserver.synapse import Synapse
from gateway.homeserver.synapse_tokens import SynapseTokens, is_unknown


class Tuwunel(Synapse):
    """By its API. `has_room`: our bot is in its admin room, where it tells of new accounts."""

    def __init__(self, api: AdminApi, names: Names, server_name: str, *, has_room: bool) -> None:
        super().__init__(api, names, server_name)
        self._tokens = TuwunelTokens(api)
        self.abilities = Abilities(
            title="tuwunel",
            fails_open=True,
            # Each page of the list costs it a walk over all of them.
            lists_accounts=not has_room,
            announces_accounts=has_room,
            restricts=frozenset(Restriction),
            lifts=frozenset({Restriction.LOCKED, Restriction.SUSPENDED}),
        )

    async def own_names(self) -> frozenset[str]:
        """The admin, and the server's own user."""
        return await super().own_names() | {SERVER_LOCALPART}

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """All accounts, whenever they were made: that is not told."""
        found = await super().newest(None, most + 1)
        return [each for each in found if each.name != SERVER_LOCALPART][:most]


class TuwunelTokens(SynapseTokens):
    """Tokens that are gone once they are over."""

    async def revoke(self, value: str) -> None:
        """Delete the token. Raises Unable for one in the server's configuration or token file."""
        answer = await self._ask("DELETE", value)
        if "config file" in str(answer.body.get("error")):  # 403; up to 1.8.3 it was a 500
            raise Unable(
                "it stands in the homeserver's own configuration or token file, and ends only there"
            )
        if answer.status != 200 and not is_unknown(answer):
            raise self._api.refusal("revoke a token", answer)

    async def state(self, value: str) -> TokenState:
        """How many accounts it opened. One that was issued and is gone has opened all it may."""
        found = await super().state(value)
        return TokenState(is_used_up=True, is_gone=True) if found.is_gone else found
