"""A tuwunel as its admins and its clients meet it: Synapse's admin API in its own manner.

Written from its sources (src/api/client/admin, src/service/registration_tokens), 1.8.0 to 1.9.0.
Stricter than it in one thing: an unknown key in a body or a query is refused.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from tests.stand_ins.conduwuit import Conduwuit, refuse
from tests.stand_ins.person import Person

_API = "/_synapse/admin"
_TOKENS = f"{_API}/v1/registration_tokens"
_LIST = {"from", "limit", "name", "user_id", "guests", "deactivated", "locked", "order_by", "dir"}
_LIMITS = {"uses_allowed", "expiry_time"}


class Refused(Exception):
    """A question that is answered with a Matrix error."""


@dataclass
class Kept:
    """A token in its database; `until` in milliseconds."""

    most: int | None
    until: int | None
    uses: int = 0

    def is_valid(self) -> bool:
        is_spent = self.most is not None and self.uses >= self.most
        return not is_spent and (self.until is None or time.time() * 1000 <= self.until)


class Tuwunel(Conduwuit):
    """`kept` are its tokens; `make_admin` gives an access token to its admin API.

    Whether it asks for a token it decides at each sign-up: without any there it lets everybody in.
    """

    name = "Tuwunel"

    def __init__(self, *args: Any, version: str = "1.9.0", **more: Any) -> None:
        super().__init__(*args, **more)
        self.version = version
        self.kept: dict[str, Kept] = {}

    def make_admin(self, name: str) -> str:
        """An account that is in the admin room; its access token."""
        token = f"token-of-{name}"
        self.accounts[name] = Person("secret", {token}, is_admin=True)
        return token

    def route(self, router: web.UrlDispatcher) -> None:
        if self._is_at_least(1, 8, 1):
            router.add_post(f"{_TOKENS}/new", self._for_admins(self._create))
            router.add_get(_TOKENS, self._for_admins(self._list))
            router.add_get(f"{_TOKENS}/{{token}}", self._for_admins(self._get))
            router.add_put(f"{_TOKENS}/{{token}}", self._for_admins(self._update))
            router.add_delete(f"{_TOKENS}/{{token}}", self._for_admins(self._delete))
            router.add_get(f"{_API}/v2/users", self._for_admins(self._users))
            router.add_get(f"{_API}/v2/users/{{user}}", self._for_admins(self._details))
            router.add_put(f"{_API}/v2/users/{{user}}", self._for_admins(self._modify))
            router.add_put(f"{_API}/v1/suspend/{{user}}", self._for_admins(self._suspend))
            router.add_post(f"{_API}/v1/deactivate/{{user}}", self._for_admins(self._deactivate))
        router.add_get("/_matrix/client/v3/account/whoami", self._whoami)
        super().route(router)

    def asks_for_token(self) -> bool:
        return bool(self.everything())

    def takes(self, token: str) -> bool:
        if super().takes(token):
            return True
        kept = self.kept.get(token.strip())
        if kept is None:
            return False
        is_taken = kept.is_valid()
        kept.uses += is_taken
        if not kept.is_valid():
            del self.kept[token.strip()]
        return is_taken

    def everything(self) -> set[str]:
        """What opens an account now; what is over is forgotten."""
        self.kept = {value: kept for value, kept in self.kept.items() if kept.is_valid()}
        return self.tokens() | set(self.kept)

    def _is_at_least(self, *wanted: int) -> bool:
        return tuple(map(int, self.version.split("."))) >= wanted

    def _for_admins(self, answer: Callable[[web.Request, Any], dict[str, Any]]) -> Any:
        async def handle(request: web.Request) -> web.Response:
            asker = self._asker(request)
            if isinstance(asker, web.Response):
                return asker
            if not asker.is_admin:
                error = "Only server administrators can use this endpoint"
                return refuse(403, "M_FORBIDDEN", error)
            text = await request.text()
            try:
                return web.json_response(answer(request, json.loads(text) if text else {}))
            except Refused as refusal:
                return refuse(*refusal.args)

        return handle

    def _asker(self, request: web.Request) -> Person | web.Response:
        word, _, given = request.headers.get("Authorization", "").partition(" ")
        if word != "Bearer":
            return refuse(401, "M_MISSING_TOKEN", "Missing access token.")
        for person in self.accounts.values():
            if given in person.access_tokens:
                return person
        return refuse(401, "M_UNKNOWN_TOKEN", "Unknown access token.")

    async def _whoami(self, request: web.Request) -> web.Response:
        asker = self._asker(request)
        if isinstance(asker, web.Response):
            return asker
        (name,) = [name for name, person in self.accounts.items() if person is asker]
        return web.json_response({"user_id": f"@{name}:{self.server_name}", "is_guest": False})

    def _create(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(body, {"token", "length", *_LIMITS})
        token = body.get("token")
        assert isinstance(token, str), "this stand-in makes up no tokens"
        if token in self.kept:
            raise Refused(400, "M_INVALID_PARAM", "Registration token already exists")
        self.kept[token] = Kept(_number(body, "uses_allowed"), _number(body, "expiry_time"))
        return self._shown(token)

    def _list(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(request.query, {"valid"})
        if request.query.get("valid") == "false":
            return {"registration_tokens": []}
        return {"registration_tokens": [self._shown(each) for each in sorted(self.everything())]}

    def _get(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        token = request.match_info["token"]
        if token not in self.kept and token not in self.tokens():
            what = "Registration token not found"
            if not self._is_at_least(1, 9, 0):
                what = "No such registration token"
            raise Refused(404, "M_NOT_FOUND", what)
        return self._shown(token)

    def _update(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(body, _LIMITS)
        token = request.match_info["token"]
        self._get(request, {})
        if token in self.tokens():
            raise Refused(403, "M_FORBIDDEN", "Tokens set in the config file can't be updated")
        kept = self.kept[token]
        if "uses_allowed" in body:
            kept.most = _number(body, "uses_allowed")
        if "expiry_time" in body:
            kept.until = _number(body, "expiry_time")
        return self._shown(token)

    def _delete(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        token = request.match_info["token"]
        if token in self.tokens():
            what = (
                "The token set in the config file cannot be revoked. Edit the config file to "
                "change it."
            )
            is_new = self._is_at_least(1, 9, 0)
            raise Refused(*((403, "M_FORBIDDEN") if is_new else (500, "M_UNKNOWN")), what)
        if self.kept.pop(token, None) is None:
            raise Refused(404, "M_NOT_FOUND", "Registration token not found")
        return {}

    def _shown(self, token: str) -> dict[str, Any]:
        kept = Kept(None, None) if token in self.tokens() else self.kept[token]
        return {
            "token": token,
            "uses_allowed": kept.most,
            "pending": 0,
            "completed": kept.uses,
            "expiry_time": kept.until,
        }

    def _users(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        query = request.query
        _expect(query, _LIST)
        names = sorted(self.accounts, reverse=query.get("dir") == "b")
        found = [
            self._listed(name)
            for name in names
            if (not self.accounts[name].is_locked or query.get("locked") == "true")
            and (self.accounts[name].password or query.get("deactivated") == "true")
        ]
        start, most = int(query.get("from", 0)), int(query.get("limit", 100))
        page = found[start : start + most]
        rest = {"next_token": str(start + most)} if start + len(page) < len(found) else {}
        return {"users": page, "total": len(found), **rest}

    def _listed(self, name: str) -> dict[str, Any]:
        person = self.accounts[name]
        told = {"creation_ts": 0} if self._is_at_least(1, 9, 0) else {}
        return {
            "name": f"@{name}:{self.server_name}",
            "displayname": person.display_name,
            "is_guest": False,
            "admin": person.is_admin,
            "deactivated": not person.password,
            "locked": person.is_locked,
            **told,
        }

    def _details(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        name = self._local(request)
        if name not in self.accounts:
            raise Refused(404, "M_NOT_FOUND", "User not found")
        return {**self._listed(name), "suspended": self.accounts[name].is_suspended}

    def _modify(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(body, {"locked"})
        name = self._local(request)
        # As it does: an account that is not there is made.
        person = self.accounts.setdefault(name, Person("made by a question"))
        person.is_locked = _flag(body, "locked")
        return self._details(request, {})

    def _suspend(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(body, {"suspend"})
        self._details(request, {})
        self.accounts[self._local(request)].is_suspended = _flag(body, "suspend")
        return {f"user_{self._local(request)}_suspended": body["suspend"]}

    def _deactivate(self, request: web.Request, body: dict[str, Any]) -> dict[str, Any]:
        _expect(body, {"erase"})
        self._details(request, {})
        person = self.accounts[self._local(request)]
        person.password, person.access_tokens = None, set()
        return {"id_server_unbind_result": "success"}

    def _local(self, request: web.Request) -> str:
        name, colon, server = request.match_info["user"].removeprefix("@").partition(":")
        if not request.match_info["user"].startswith("@") or not colon:
            raise Refused(400, "M_BAD_JSON", "invalid user id")
        if server != self.server_name:
            raise Refused(400, "M_INVALID_PARAM", "Can only look up local users")
        return name


def _expect(given: Any, allowed: set[str]) -> None:
    odd = set(given) - allowed
    if odd:
        raise Refused(400, "M_BAD_JSON", f"unknown: {odd}")


def _number(body: dict[str, Any], key: str) -> int | None:
    value = body.get(key)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        raise Refused(400, "M_BAD_JSON", f"invalid type for {key}")
    return value


def _flag(body: dict[str, Any], key: str) -> bool:
    if not isinstance(body.get(key), bool):
        raise Refused(400, "M_BAD_JSON", f"invalid type for {key}")
    return bool(body[key])
