"""A conduwuit 0.5.0-rc4 as its clients meet it: names, and sign-ups against a token file.

Written from its sources (src/api/client/account.rs, src/service/uiaa/mod.rs). It reads the file at
each sign-up; whether it asks for a token at all it decides once, when it starts.
"""

import re
import secrets
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.stand_ins.person import Person

_TOKEN, _DUMMY = "m.login.registration_token", "m.login.dummy"
_STRICT = re.compile(r"[a-z0-9._=/+-]+")  # a localpart of the specification
_LONGEST = 255  # bytes of a user id


class Conduwuit:
    """Start it, and sign up. `accounts` are by their localpart."""

    name, version = "Conduwuit", "0.5.0-rc4"

    def __init__(
        self,
        token_file: Path | None = None,
        registration_token: str | None = None,
        server_name: str = "porter.localhost",
    ) -> None:
        self.server_name = server_name
        self.accounts: dict[str, Person] = {"conduit": Person()}  # the server's own user
        self.forbidden = re.compile(r"\Aforbidden")  # its `forbidden_usernames`
        self.url = ""
        self._file = token_file
        self._token = registration_token
        self._sign_ups: dict[str, str] = {}  # each session and the stage that it asks for

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._asks_for_token = bool(self._file and self._file.exists()) or self._token is not None
        app = web.Application()
        self.route(app.router)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        await self._runner.cleanup()

    def route(self, router: web.UrlDispatcher) -> None:
        """The paths that it knows."""
        router.add_get("/_matrix/client/versions", self._versions)
        router.add_get("/_matrix/federation/v1/version", self._version)
        router.add_get("/_matrix/client/v3/register/available", self._available)
        router.add_post("/_matrix/client/v3/register", self._register)
        router.add_route("*", "/{path:.*}", self._unrecognized)

    def tokens(self) -> set[str]:
        """What opens an account now."""
        found = set() if self._token is None else {self._token}
        if self._file is not None and self._file.exists():
            found |= set(self._file.read_text(encoding="ascii").split())
        return found

    def asks_for_token(self) -> bool:
        """Whether a sign-up that begins now needs a token."""
        return self._asks_for_token

    def takes(self, token: str) -> bool:
        """Whether a sign-up may go on with this token; where uses count, this is one."""
        return token.strip() in self.tokens()

    async def _versions(self, request: web.Request) -> web.Response:
        return web.json_response({"versions": ["v1.1", "v1.11"], "unstable_features": {}})

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"server": {"name": self.name, "version": self.version}})

    async def _unrecognized(self, request: web.Request) -> web.Response:
        return refuse(404, "M_UNRECOGNIZED", "Not Found")

    async def _available(self, request: web.Request) -> web.Response:
        wish = request.query.get("username")
        if wish is None:
            return refuse(400, "M_BAD_JSON", "missing field `username`")
        return self._fault_of(wish) or web.json_response({"available": True})

    def _fault_of(self, wish: str) -> web.Response | None:
        """What keeps somebody from a name."""
        if self.forbidden.search(wish):
            return refuse(403, "M_FORBIDDEN", "Username is forbidden")
        name = wish.lower()
        if not _STRICT.fullmatch(name) or len(f"@{name}:{self.server_name}") > _LONGEST:
            return refuse(400, "M_INVALID_USERNAME", f"Username {name} is not valid")
        if name in self.accounts:
            return refuse(400, "M_USER_IN_USE", "User ID is not available.")
        return None

    async def _register(self, request: web.Request) -> web.Response:
        body = await request.json()
        wish = body.get("username", secrets.token_hex(5))  # it makes one up where none is wished
        fault = self._fault_of(wish)
        if fault is not None:
            return fault
        auth: dict[str, Any] | None = body.get("auth")
        if auth is None:
            session = secrets.token_hex(16)
            self._sign_ups[session] = _TOKEN if self.asks_for_token() else _DUMMY
            return self._go_on(session)
        session = auth.get("session") or ""
        stage = self._sign_ups.get(session)
        if stage is None:
            return refuse(403, "M_FORBIDDEN", "UIAA session does not exist.")
        if auth["type"] == _TOKEN and not self.takes(auth["token"]):
            return self._go_on(session, errcode="M_FORBIDDEN", error="Invalid registration token.")
        if auth["type"] != stage:
            return self._go_on(session)
        del self._sign_ups[session]
        name, access_token = wish.lower(), secrets.token_hex(16)
        self.accounts[name] = Person(body["password"], {access_token})
        user = f"@{name}:{self.server_name}"
        return web.json_response(
            {"user_id": user, "access_token": access_token, "device_id": secrets.token_hex(5)}
        )

    def _go_on(self, session: str, **error: str) -> web.Response:
        flows = [{"stages": [self._sign_ups[session]]}]
        answer = {"flows": flows, "completed": [], "params": {}, "session": session, **error}
        return web.json_response(answer, status=401)


def refuse(status: int, errcode: str, error: str) -> web.Response:
    """A Matrix error."""
    return web.json_response({"errcode": errcode, "error": error}, status=status)
