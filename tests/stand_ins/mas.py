"""A Matrix Authentication Service 1.22 as a program with a client secret meets it.

Written from its sources (crates/handlers/src/admin, crates/handlers/src/oauth2/token.rs). Stricter
than it in one thing: what it would overlook, an unknown key in a body or a query, is refused.
"""

import base64
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web

from tests.stand_ins.mas_answers import (
    Refused,
    Thing,
    new_ulid,
    page,
    read_body,
    read_flag,
    read_limit,
    read_query,
    read_time,
    read_ulid,
    refused,
    resource,
)

CLIENT_ID, CLIENT_SECRET = "01J44QC8BCY7FCFM7WGHQGKMTJ", "s%cret:with+all of&it"
_API = "/api/admin/v1"
_TOKENS, _USERS = f"{_API}/user-registration-tokens", f"{_API}/users"
_TOKEN_FILTERS = {f"filter[{each}]" for each in ("used", "revoked", "expired", "valid")}
_USER_FILTERS = {f"filter[{each}]" for each in ("admin", "legacy-guest", "search", "status")}


class Mas:
    """Start it, ask it, and open accounts on it.

    `tokens` and `users` are by their ULIDs; `asked` are the questions that it got. `ahead` is how
    far its clock is before ours; `site` is what it tells of its settings.
    """

    def __init__(self, *, life: float = 300, serves_admin_api: bool = True) -> None:
        self.clients = {CLIENT_ID: CLIENT_SECRET}
        self.admin_clients = {CLIENT_ID}
        self.life = life  # seconds
        self.ahead = timedelta()
        self.tokens: dict[str, Thing] = {}
        self.users: dict[str, Thing] = {}
        self.erased: list[str] = []
        self.asked: list[str] = []
        self.sessions: dict[str, tuple[datetime, str]] = {}  # of access tokens: their end, scope
        self.site: Thing = {
            "server_name": "porter.localhost",
            "password_login_enabled": True,
            "password_registration_enabled": True,
            "password_registration_token_required": True,
            "registration_token_required": True,
        }
        self.url = ""
        self.token_endpoint: str | None = None  # another than its own
        self._serves_admin_api = serves_admin_api

    async def start(self, port: int = 0) -> None:
        """Listen on loopback, on a free port or that one."""
        app = web.Application(middlewares=[self._note])
        self.route(app.router)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    def route(self, router: web.UrlDispatcher) -> None:
        """What it answers to."""
        router.add_get("/.well-known/openid-configuration", self._discovery)
        router.add_post("/oauth2/token", self._grant)
        if self._serves_admin_api:
            router.add_get(_API + "/site-config", self._site_config)
            router.add_post(_TOKENS, self._add_token)
            router.add_get(_TOKENS, self._list_tokens)
            router.add_get(_TOKENS + "/{id}", self._get_token)
            router.add_put(_TOKENS + "/{id}", self._edit_token)
            router.add_post(_TOKENS + "/{id}/{action:revoke|unrevoke}", self._turn_token)
            router.add_get(_USERS, self._list_users)
            router.add_get(_USERS + "/by-username/{name}", self._get_user)
            actions = "lock|unlock|deactivate|reactivate"
            router.add_post(_USERS + "/{id}/{action:" + actions + "}", self._turn_user)

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    @property
    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def open_account(self, name: str, token: str) -> bool:
        """What somebody sees who signs up on its pages: the last of the checks."""
        found = next((each for each in self.tokens.values() if each["token"] == token), None)
        if found is None or not self._is_valid(found) or not self.takes_name(name):
            return False
        found["times_used"] += 1
        found["last_used_at"] = self.now
        self.add_user(name)
        return True

    def add_user(self, name: str, **more: Any) -> Thing:
        """An account, however it came."""
        user = {
            "username": name,
            "created_at": self.now,
            "locked_at": None,
            "deactivated_at": None,
            "admin": False,
            "legacy_guest": False,
        } | more
        self.users[new_ulid(user["created_at"])] = user
        return user

    def add_token(self, value: str, **more: Any) -> str:
        """A token, however it came; returns its ULID."""
        token = {
            "token": value,
            "usage_limit": None,
            "times_used": 0,
            "created_at": self.now,
            "last_used_at": None,
            "expires_at": None,
            "revoked_at": None,
        } | more
        ulid = new_ulid(token["created_at"])
        self.tokens[ulid] = token
        return ulid

    def valid(self) -> set[str]:
        """The tokens that would open an account now."""
        return {each["token"] for each in self.tokens.values() if self._is_valid(each)}

    def _is_valid(self, token: Thing) -> bool:
        limit, expires_at = token["usage_limit"], token["expires_at"]
        return (
            token["revoked_at"] is None
            and (expires_at is None or self.now < expires_at)
            and (limit is None or token["times_used"] < limit)
        )

    def takes_name(self, name: str) -> bool:
        """Whether somebody may sign up under a name."""
        if not re.fullmatch(r"[a-z0-9.=_/+-]+", name) or name.isdigit():
            return False
        return all(each["username"].lower() != name.lower() for each in self.users.values())

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path}")
        try:
            if request.path.startswith(_API) and self._serves_admin_api:
                self._expect_admin(request)
            return await handler(request)  # type: ignore[no-any-return]
        except Refused as error:
            return error.answer
        except web.HTTPNotFound:
            return web.Response(status=404)  # of its router, which has nothing to say

    async def _discovery(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": f"{self.url}/",
                "account_management_uri": f"{self.url}/account/",
                "token_endpoint": self.token_endpoint or f"{self.url}/oauth2/token",
                "token_endpoint_auth_methods_supported": ["client_secret_basic", "none"],
                "grant_types_supported": ["authorization_code", "client_credentials"],
            }
        )

    async def _grant(self, request: web.Request) -> web.Response:
        kind, _, basic = request.headers.get("Authorization", "").partition(" ")
        form = await request.post()
        if kind.lower() != "basic" or "grant_type" not in form:
            raise Refused(400, {"error": "invalid_request"})
        client, _, secret = base64.b64decode(basic).decode().partition(":")
        if self.clients.get(client) != secret:
            raise Refused(401, {"error": "invalid_client"})
        if form["grant_type"] != "client_credentials":
            raise Refused(400, {"error": "unsupported_grant_type"})
        scope = str(form.get("scope", ""))
        for each in scope.split():
            if each != "urn:mas:admin" or client not in self.admin_clients:
                text = f"scope '{each}' not allowed"
                raise Refused(403, {"error": "invalid_scope", "error_description": text})
        token = f"mat_{secrets.token_urlsafe(24)}"
        self.sessions[token] = (self.now + timedelta(seconds=self.life), scope)
        body = {"access_token": token, "token_type": "Bearer", "expires_in": int(self.life)}
        return web.json_response(body | ({"scope": scope} if scope else {}))

    def _expect_admin(self, request: web.Request) -> None:
        header = request.headers.get("Authorization")
        if header is None:
            raise refused(400, "Missing authorization header")
        ends_at, scope = self.sessions.get(header.removeprefix("Bearer "), (None, ""))
        if ends_at is None:
            raise refused(401, "Unknown access token")
        if self.now >= ends_at:
            raise refused(401, "Access token expired")
        if "urn:mas:admin" not in scope.split():
            raise refused(401, "Missing urn:mas:admin scope")

    async def _site_config(self, request: web.Request) -> web.Response:
        if not self.site:  # before 1.3
            raise web.HTTPNotFound
        return web.json_response(self.site)

    async def _add_token(self, request: web.Request) -> web.Response:
        body = await read_body(request, {"token", "usage_limit", "expires_at"})
        value = body.get("token") or secrets.token_hex(6)
        if not isinstance(value, str):
            raise Refused(422, "token: invalid type")
        limit, expires_at = read_limit(body.get("usage_limit")), read_time(body.get("expires_at"))
        if any(each["token"] == value for each in self.tokens.values()):
            raise refused(409, "A registration token with the same token already exists")
        ulid = self.add_token(value, usage_limit=limit, expires_at=expires_at)
        return self._one(_TOKENS, ulid, status=201)

    async def _list_tokens(self, request: web.Request) -> web.Response:
        query = read_query(request, _TOKEN_FILTERS)
        wanted = {key: read_flag(text) for key, text in query.items() if key in _TOKEN_FILTERS}
        found = {}
        for ulid, token in self.tokens.items():
            expires_at = token["expires_at"]
            facts = {
                "filter[used]": token["times_used"] > 0,
                "filter[revoked]": token["revoked_at"] is not None,
                "filter[expired]": expires_at is not None and expires_at < self.now,
                "filter[valid]": self._is_valid(token),
            }
            if wanted.items() <= facts.items():
                found[ulid] = token
        return self._page(_TOKENS, query, found)

    async def _get_token(self, request: web.Request) -> web.Response:
        return self._one(_TOKENS, self._token(request))

    async def _edit_token(self, request: web.Request) -> web.Response:
        ulid = self._token(request)
        body = await read_body(request, {"usage_limit", "expires_at"})
        if "expires_at" in body:
            self.tokens[ulid]["expires_at"] = read_time(body["expires_at"])
        if "usage_limit" in body:
            self.tokens[ulid]["usage_limit"] = read_limit(body["usage_limit"])
        return self._one(_TOKENS, ulid)

    async def _turn_token(self, request: web.Request) -> web.Response:
        ulid, revokes = self._token(request), request.match_info["action"] == "revoke"
        token = self.tokens[ulid]
        if (token["revoked_at"] is not None) == revokes:
            how = "already" if revokes else "not"
            raise refused(400, f"Registration token with ID {ulid} is {how} revoked")
        token["revoked_at"] = self.now if revokes else None
        return self._one(_TOKENS, ulid)

    def _token(self, request: web.Request) -> str:
        ulid = read_ulid(request)
        if ulid not in self.tokens:
            raise refused(404, f"Registration token with ID {ulid} not found")
        return ulid

    async def _list_users(self, request: web.Request) -> web.Response:
        query = read_query(request, _USER_FILTERS)
        assert not _USER_FILTERS & query.keys(), "not stood in for"
        return self._page(_USERS, query, self.users)

    async def _get_user(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        found = [u for u, each in self.users.items() if each["username"].lower() == name.lower()]
        if len(found) > 1:  # of different casing
            found = [ulid for ulid in found if self.users[ulid]["username"] == name]
        if not found:
            raise refused(404, f"User with username {json.dumps(name)} not found")
        return self._one(_USERS, found[0])

    async def _turn_user(self, request: web.Request) -> web.Response:
        ulid, action = read_ulid(request), request.match_info["action"]
        skips = False
        if action == "deactivate" and request.can_read_body:
            skips = (await read_body(request, {"skip_erase"})).get("skip_erase", False)
        if ulid not in self.users:
            raise refused(404, f"User ID {ulid} not found")
        user = self.users[ulid]
        key = "locked_at" if "lock" in action else "deactivated_at"
        user[key] = self.now if action in ("lock", "deactivate") else None
        if action == "deactivate" and skips is not True:
            self.erased.append(user["username"])
        return self._one(_USERS, ulid)

    def _resource(self, path: str, ulid: str) -> Thing:
        if path == _USERS:
            return resource("user", path, ulid, self.users[ulid])
        valid = {"valid": self._is_valid(self.tokens[ulid])}
        return resource("user-registration_token", path, ulid, self.tokens[ulid] | valid)

    def _one(self, path: str, ulid: str, *, status: int = 200) -> web.Response:
        data = self._resource(path, ulid)
        return web.json_response({"data": data, "links": data["links"]}, status=status)

    def _page(self, path: str, query: dict[str, str], things: dict[str, Thing]) -> web.Response:
        ulids, links = page(path, query, things)
        answer: Thing = {"data": [], "links": links}
        for ulid in ulids:
            answer["data"] += [self._resource(path, ulid) | {"meta": {"page": {"cursor": ulid}}}]
        if query.get("count", "true") == "true":
            answer["meta"] = {"count": len(things)}
        return web.json_response(answer)
