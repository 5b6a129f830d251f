"""What each homeserver says of itself before anybody has logged in, and asks of who signs up.

Written from their sources: tuwunel 1.4 to 1.9, continuwuity 0.5 to 26.8, conduwuit 0.5.0-rc4
(src/core/info/version.rs, src/api/server/version.rs, src/api/client/versions.rs, the register
routes), Synapse 1.163 (rest/client/register.py, rest/client/auth_metadata.py), Conduit 0.10 and
Dendrite 0.13. A sign-up that goes beyond its first question is refused and remembered.
"""

from typing import Any

from aiohttp import web

TOKEN, DUMMY, EMAIL = "m.login.registration_token", "m.login.dummy", "m.login.email.identity"
NAMES = {
    "synapse": "Synapse",
    "tuwunel": "Tuwunel",
    "continuwuity": "continuwuity",
    "conduwuit": "conduwuit",
    "conduit": "Conduit",
    "dendrite": "Dendrite",
}
_CLOSED = {
    "synapse": "Registration has been disabled",
    "continuwuity": "This server is not accepting registrations at this time.",
}


class FrontDoor:
    """One of them. `flows` are its ways in, None when it takes nobody; `issuer` is whom Synapse
    names when an authentication service stands before it; `federates` is whether a proxy leads the
    federation's paths to it, and `shows_server` whether one leaves its headers alone."""

    def __init__(
        self,
        kind: str,
        version: str,
        *,
        flows: list[list[str]] | None = None,
        is_closed: bool = False,
        issuer: str | None = None,
        federates: bool = True,
        shows_server: bool = True,
    ) -> None:
        self.kind, self.version, self.issuer = kind, version, issuer
        self.flows = [[TOKEN]] if flows is None else flows
        self.is_closed, self.federates, self.shows_server = is_closed, federates, shows_server
        self.asked: list[str] = []
        self.went_too_far: list[Any] = []
        self.url = ""

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application(middlewares=[self._note])
        router = app.router
        router.add_get("/_matrix/client/versions", self._versions)
        router.add_post("/_matrix/client/v3/register", self._register)
        if self.federates:
            router.add_get("/_matrix/federation/v1/version", self._version)
        if self.issuer is not None:
            for path in ("v1", "unstable/org.matrix.msc2965"):
                router.add_get(f"/_matrix/client/{path}/auth_metadata", self._metadata)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    @web.middleware
    async def _note(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.path_qs}")
        try:
            answer: web.StreamResponse = await handler(request)
        except web.HTTPNotFound:
            answer = _error(404, "M_UNRECOGNIZED", "Unrecognized request")
        if self.kind == "synapse" and self.shows_server:
            answer.headers["Server"] = f"Synapse/{self.version}"
        else:
            answer.headers["Server"] = "nginx"
        return answer

    @property
    def _server(self) -> dict[str, str]:
        server = {"name": NAMES.get(self.kind, self.kind), "version": self.version}
        return server | ({"compiler": "rustc 1.89.0"} if self.kind == "tuwunel" else {})

    async def _versions(self, request: web.Request) -> web.Response:
        answer: dict[str, Any] = {"versions": ["r0.6.1", "v1.11"], "unstable_features": {}}
        if self.kind == "tuwunel" and not self.version.startswith(("1.4", "1.5", "1.6")):
            answer["server"] = self._server
        return web.json_response(answer)

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"server": self._server})

    async def _metadata(self, request: web.Request) -> web.Response:
        return web.json_response({"issuer": self.issuer, "token_endpoint": "https://x.invalid"})

    async def _register(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json" or request.query:
            self.went_too_far.append(request.path_qs)
            return _error(400, "M_NOT_JSON", "Content not JSON.")
        body = await request.json()
        if body != {}:
            self.went_too_far.append(body)
            return _error(400, "M_UNKNOWN", "This opens no accounts.")
        if self.kind == "synapse" and self.issuer is not None:
            return _error(
                403,
                "M_FORBIDDEN",
                "Registration has been disabled. Only m.login.application_service registrations"
                " are allowed.",
            )
        if self.is_closed:
            words = _CLOSED.get(self.kind, "Registration has been disabled.")
            return _error(403, "M_FORBIDDEN", words)
        flows = [{"stages": stages} for stages in self.flows]
        answer = {"session": "a-session", "flows": flows, "params": {}}
        return web.json_response(answer, status=401)


def _error(status: int, errcode: str, error: str) -> web.Response:
    return web.json_response({"errcode": errcode, "error": error}, status=status)
