"""Where somebody is: the addresses of a homeserver's users, and of hosts by their names.

Only a help for whoever is about to ban: what cannot be found out in time is left out.
https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html#query-current-sessions-for-a-user
"""

import asyncio
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import HomeserverError
from gateway.rules.networks import IPAddress, plain_address

PATIENCE = timedelta(seconds=2)  # a moderator waits


class Whereabouts:
    """Asks Synapse by its admin API; without one it knows nobody's addresses."""

    def __init__(self, api: AdminApi | None) -> None:
        self._api = api

    async def of_user(self, user: str, since: datetime) -> set[IPAddress]:
        """From where a local user was connected since then, as far as it is known."""
        if self._api is None:
            return set()
        try:
            answer = await self._api.ask("GET", f"/v1/whois/{quote(user, safe='')}")
        except HomeserverError:
            return set()
        return set(_addresses(answer.body, since.timestamp() * 1000))

    async def of_host(self, host: str) -> set[IPAddress]:
        """The addresses behind a host's name, or the address that it is."""
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                found = await asyncio.get_running_loop().getaddrinfo(host, None)
        except (OSError, UnicodeError):  # the first also when the time is over
            return set()
        return {plain_address(str(address[0])) for *_, address in found}


def _addresses(whois: Any, since: float) -> Iterator[IPAddress]:
    """The addresses in an answer that anything may stand in; `since` in milliseconds."""
    if isinstance(whois, dict):
        seen = whois.get("last_seen")
        if "ip" in whois and isinstance(seen, int | float) and seen >= since:
            try:
                yield plain_address(str(whois["ip"]))
            except ValueError:
                return
        for each in whois.values():
            yield from _addresses(each, since)
    elif isinstance(whois, list):
        for each in whois:
            yield from _addresses(each, since)
