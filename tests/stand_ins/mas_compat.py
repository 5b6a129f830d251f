"""The part of a Matrix Authentication Service that Matrix clients and the homeserver meet.

Written from its sources (crates/handlers/src/compat, crates/handlers/src/oauth2/introspection.rs,
crates/cli/src/commands/manage.rs).
"""

import secrets
from typing import Any

import aiohttp
from aiohttp import web

from tests.stand_ins.mas import Mas
from tests.stand_ins.mas_answers import Refused

_API = "urn:matrix:client:api:* urn:matrix:org.matrix.msc2967.client:api:*"


class CompatMas(Mas):
    """It knows its homeserver by a shared secret. `passwords` are its accounts', None: it takes
    none. `compat_tokens` tell each token's account and device."""

    def __init__(self, homeserver: str, shared_secret: str) -> None:
        super().__init__()
        self.passwords: dict[str, str] | None = None
        self.compat_tokens: dict[str, tuple[str, str | None, str]] = {}
        self._homeserver = homeserver
        self._shared_secret = shared_secret

    def route(self, router: web.UrlDispatcher) -> None:
        """Its own paths; what is not its own, the proxy before both gives to the homeserver."""
        super().route(router)
        router.add_post("/oauth2/introspect", self._introspect)
        router.add_get("/_matrix/client/v3/login", self._flows)
        router.add_post("/_matrix/client/v3/login", self._log_in)
        router.add_route("*", "/_matrix/{path:.*}", self._pass_on)
        router.add_route("*", "/_synapse/{path:.*}", self._pass_on)

    async def issue_compatibility_token(
        self, name: str, device: str | None = None, *, admin: bool = False
    ) -> str:
        """What `mas-cli manage issue-compatibility-token` does; it makes a device up."""
        device = device or secrets.token_hex(5).upper()
        await self._tell("upsert_device", {"localpart": name, "device_id": device})
        scope = f"{_API} urn:synapse:admin:*" if admin else _API
        return self._token(name, device, scope)

    def personal_token(self, name: str) -> str:
        """A personal access token, which belongs to no device."""
        return self._token(name, None, _API)

    async def sign_up(self, name: str) -> None:
        """An account, as its homeserver is told of it."""
        self.add_user(name)
        await self._tell("provision_user", {"localpart": name})

    def _token(self, name: str, device: str | None, scope: str) -> str:
        token = f"mct_{secrets.token_urlsafe(24)}"
        self.compat_tokens[token] = (name, device, scope)
        return token

    async def _tell(self, path: str, body: dict[str, str]) -> None:
        headers = {"Authorization": f"Bearer {self._shared_secret}"}
        async with (
            aiohttp.ClientSession(headers=headers) as http,
            http.post(f"{self._homeserver}/_synapse/mas/{path}", json=body) as answer,
        ):
            assert answer.status in (200, 201), await answer.text()

    async def _introspect(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self._shared_secret}":
            raise Refused(401, {"error": "access_denied"})
        form = await request.post()
        if str(form.get("token")) not in self.compat_tokens:
            return web.json_response({"active": False})
        name, device, scope = self.compat_tokens[str(form["token"])]
        told: dict[str, Any] = {"device_id": device} if device is not None else {}
        told |= {"active": True, "scope": scope, "username": name, "sub": name}
        return web.json_response(told | {"token_type": "access_token"})

    async def _flows(self, request: web.Request) -> web.Response:
        flows = [{"type": "m.login.sso", "oauth_aware_preferred": True}, {"type": "m.login.token"}]
        if self.passwords is not None:
            flows.insert(0, {"type": "m.login.password"})
        return web.json_response({"flows": flows})

    async def _log_in(self, request: web.Request) -> web.Response:
        body = await request.json()
        if self.passwords is None or body.get("type") != "m.login.password":
            raise Refused(400, {"errcode": "M_UNKNOWN", "error": "Invalid login type"})
        user = str(body["identifier"]["user"])
        name, _, server = user.removeprefix("@").partition(":")
        if self.passwords.get(name) != body.get("password"):
            said = {"errcode": "M_FORBIDDEN", "error": "Invalid username/password"}
            raise Refused(403, said)
        assert not body.get("refresh_token"), "not stood in for"
        token = await self.issue_compatibility_token(name, body.get("device_id"))
        _, device, _ = self.compat_tokens[token]
        told = {"user_id": f"@{name}:{server}", "device_id": device, "access_token": token}
        return web.json_response(told)

    async def _pass_on(self, request: web.Request) -> web.Response:
        head = {key: request.headers[key] for key in ("Authorization",) if key in request.headers}
        url, data = self._homeserver + request.path_qs, await request.read()
        async with (
            aiohttp.ClientSession() as http,
            http.request(request.method, url, data=data, headers=head) as answer,
        ):
            text = await answer.text()
            return web.Response(status=answer.status, text=text, content_type="application/json")
