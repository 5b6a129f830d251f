"""Accounts by Synapse's admin API.

https://element-hq.github.io/synapse/latest/admin_api/user_admin_api.html
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import Account, HomeserverError, Restriction, Unable
from gateway.homeserver.question import Answer

_PAGE = 500  # accounts in one answer: about 150 KiB


class SynapseAccounts:
    """Lists and looks up accounts, restricts them and sets them free."""

    def __init__(self, api: AdminApi, server_name: str) -> None:
        self._api = api
        self._server_name = server_name
        self._own: str | None = None

    async def own_name(self) -> str:
        """Of the admin whose access token this is. Asked once: it never changes."""
        if self._own is None:
            self._own = self._name(await self._api.whoami())
        return self._own

    async def account(self, name: str) -> Account | None:
        """The account's own page: what its list leaves out too."""
        answer = await self._api.ask("GET", f"/v2/users/{self._user(name)}")
        if _unknown(answer):
            return None
        if answer.status != 200:
            raise self._api.refusal("answer a question about an account", answer)
        return self._read(answer.body, 1)

    async def newest(self, since: datetime | None, most: int) -> list[Account]:
        """Page by page; an account that is made meanwhile shifts the pages and counts once."""
        found: dict[str, Account] = {}
        start = 0
        while len(found) < most:
            page = await self._page(start)
            fresh = [
                each
                for each in page
                if since is None or each.created_at is None or each.created_at >= since
            ]
            found |= {each.name: each for each in fresh}
            start += len(page)
            if len(fresh) < len(page) or len(page) < _PAGE:
                break
        return [*found.values()][:most]

    async def restrict(self, name: str, restriction: Restriction) -> None:
        """Lock, suspend or deactivate; nobody's messages are erased by it."""
        if restriction is Restriction.DEACTIVATED:
            answer = await self._api.ask(
                "POST", f"/v1/deactivate/{self._user(name)}", body={"erase": False}
            )
            self._expect(answer, f"deactivate @{name}")
        else:
            await self._set(name, restriction, True)

    async def lift(self, name: str, restriction: Restriction) -> None:
        """Unlock or unsuspend."""
        if restriction is Restriction.DEACTIVATED:
            raise Unable(
                "a deactivated account comes back with a new password only: give it one by the"
                " homeserver's admin API, if it must"
            )
        await self._set(name, restriction, False)

    async def _set(self, name: str, restriction: Restriction, is_on: bool) -> None:
        user = self._user(name)
        # That question would make an account where there is none.
        if await self.account(name) is None:
            raise HomeserverError(f"{self._api.url} has no account @{name}")
        if restriction is Restriction.LOCKED:
            answer = await self._api.ask("PUT", f"/v2/users/{user}", body={"locked": is_on})
        else:
            answer = await self._api.ask("PUT", f"/v1/suspend/{user}", body={"suspend": is_on})
        self._expect(answer, f"change whether @{name} is {restriction}")

    def _expect(self, answer: Answer, wish: str) -> None:
        if _unknown(answer):
            raise HomeserverError(f"{self._api.url} did not {wish}: it has no such account")
        if answer.status not in (200, 201):
            raise self._api.refusal(wish, answer)

    def _name(self, id: str) -> str:
        return id.removeprefix("@").removesuffix(f":{self._server_name}")

    def _user(self, name: str) -> str:
        return quote(f"@{name}:{self._server_name}", safe="")

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
        return [self._read(user, 1000) for user in users]

    def _read(self, user: Any, units: int) -> Account:
        """An account; `units` of its `creation_ts` are a second: the list has another than it."""
        if not isinstance(user, Mapping):
            raise self._strange()
        id, made = user.get("name"), user.get("creation_ts") or 0
        if not isinstance(id, str) or isinstance(made, bool) or not isinstance(made, int):
            raise self._strange()
        try:
            # Tuwunel does not know it: up to 1.8.3 it says nothing, from 1.9.0 on 0.
            at = datetime.fromtimestamp(made / units, UTC) if made else None
        except (ValueError, OverflowError, OSError):
            raise self._strange() from None
        return Account(
            name=self._name(id),
            created_at=at,
            is_admin=user.get("admin") in (True, 1),
            is_application=bool(user.get("appservice_id")),
            restrictions=_restrictions(user) if "suspended" in user else None,
        )

    def _strange(self) -> HomeserverError:
        return HomeserverError(f"{self._api.url} sent a list of accounts that is none")


def _restrictions(user: Mapping[str, Any]) -> frozenset[Restriction]:
    """As the account's own page tells; the list leaves some out."""
    return frozenset(each for each in Restriction if user.get(each) in (True, 1))


def _unknown(answer: Answer) -> bool:
    """Whether the homeserver itself, not a proxy before it, says that there is no such account."""
    return answer.status == 404 and answer.errcode == "M_NOT_FOUND"
