"""Accounts of a Synapse, by its admin API.

https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import aiohttp

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import Account, HomeserverError

_PAGE = 200  # accounts in one answer: about 100 KiB


class SynapseAccounts:
    """An AccountDirectory on Synapse."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        admin_token: str,
        timeout: timedelta,
        server_name: str,
    ) -> None:
        self._api = AdminApi(session, url, admin_token, timeout)
        self._server_name = server_name

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """Page by page; an account that is made meanwhile shifts the pages and counts once."""
        found: dict[str, Account] = {}
        start = 0
        while len(found) < most:
            page = await self._page(start)
            fresh = [each for each in page if since is None or each.created_at >= since]
            found |= {each.name: each for each in fresh}
            start += len(page)
            if len(fresh) < len(page) or len(page) < _PAGE:
                break
        return [*found.values()][:most]

    async def is_application(self, name: str) -> bool:
        """Whether the account's own page names an application service."""
        user = quote(f"@{name}:{self._server_name}", safe="")
        answer = await self._api.ask("GET", f"/v2/users/{user}")
        if answer.status == 404 and answer.errcode == "M_NOT_FOUND":
            return False  # gone since it was listed
        if answer.status != 200:
            raise self._api.refusal("answer a question about an account", answer)
        return bool(answer.body.get("appservice_id"))

    async def _page(self, start: int) -> list[Account]:
        query = {
            "from": str(start),
            "limit": str(_PAGE),
            "guests": "false",
            "deactivated": "false",
            "locked": "true",  # these too
            "order_by": "creation_ts",
            "dir": "b",
        }
        answer = await self._api.ask("GET", "/v2/users", query=query)
        if answer.status != 200:
            raise self._api.refusal("list its accounts", answer)
        users = answer.body.get("users")
        if not isinstance(users, list):
            raise self._strange()
        return [self._read(user) for user in users]

    def _read(self, user: Any) -> Account:
        if not isinstance(user, Mapping):
            raise self._strange()
        id, made = user.get("name"), user.get("creation_ts")
        if not isinstance(id, str) or isinstance(made, bool) or not isinstance(made, int):
            raise self._strange()
        try:
            at = datetime.fromtimestamp(made / 1000, UTC)  # milliseconds here, seconds elsewhere
        except (ValueError, OverflowError, OSError):
            raise self._strange() from None
        name = id.removeprefix("@").removesuffix(f":{self._server_name}")
        return Account(name, at, user.get("admin") in (True, 1))

    def _strange(self) -> HomeserverError:
        return HomeserverError(f"{self._api.url} sent a list of accounts that is none")
