"""The pages of a Matrix Authentication Service on which people sign up.

Written from its sources (crates/handlers/src/views/register), as they are with
password_registration_email_required: false and password_registration_token_required: true.
"""

import secrets
from dataclasses import dataclass

from aiohttp import web

from tests.stand_ins.mas import Mas

_STEPS = "/register/steps/{id}"


@dataclass
class SignUp:
    """One that is under way. It ends at the page "finish", which sends to what is missing."""

    name: str
    token: str | None = None
    display_name: str | None = None


class PagedMas(Mas):
    """A service with its pages."""

    def __init__(self) -> None:
        super().__init__()
        self._sign_ups: dict[str, SignUp] = {}

    def route(self, router: web.UrlDispatcher) -> None:
        super().route(router)
        router.add_get("/register/password", self._show)
        router.add_post("/register/password", self._begin)
        for step, take in (("token", self._take_token), ("display-name", self._take_display_name)):
            router.add_get(f"{_STEPS}/{step}", self._show)
            router.add_post(f"{_STEPS}/{step}", take)
        router.add_get(_STEPS + "/finish", self._finish)
        router.add_get("/", self._home)

    async def _show(self, request: web.Request) -> web.Response:
        """A page with a form, which is bound to the browser by a cookie."""
        csrf = request.cookies.get("csrf") or secrets.token_hex(8)
        form = f'<form method="POST"><input type="hidden" name="csrf" value="{csrf}" /></form>'
        page = web.Response(text=form, content_type="text/html")
        page.set_cookie("csrf", csrf)
        return page

    async def _form(self, request: web.Request) -> dict[str, str]:
        form = {key: str(value) for key, value in (await request.post()).items()}
        if form.get("csrf") != request.cookies.get("csrf"):
            raise web.HTTPInternalServerError(text="CSRF token mismatch")
        return form

    async def _begin(self, request: web.Request) -> web.Response:
        form = await self._form(request)
        good = form["password"] and form["password"] == form["password_confirm"]
        if not good or not self.takes_name(form["username"]):
            return await self._show(request)
        id = secrets.token_hex(13)
        self._sign_ups[id] = SignUp(form["username"])
        answer = self._on(id, "finish")
        answer.set_cookie("registration", id)
        return answer

    async def _take_token(self, request: web.Request) -> web.Response:
        token, sign_up = (await self._form(request))["token"].strip(), self._sign_up(request)
        if token not in self.valid():
            return await self._show(request)
        sign_up.token = token
        return self._on(request.match_info["id"], "finish")

    async def _take_display_name(self, request: web.Request) -> web.Response:
        form, sign_up = await self._form(request), self._sign_up(request)
        skips = form.get("action", "set") == "skip"
        if not skips and not form.get("display_name", "").strip():
            return await self._show(request)
        sign_up.display_name = sign_up.name if skips else form["display_name"]
        return self._on(request.match_info["id"], "finish")

    async def _finish(self, request: web.Request) -> web.Response:
        id, sign_up = request.match_info["id"], self._sign_up(request)
        if request.cookies.get("registration") != id:
            raise web.HTTPInternalServerError(text="not in the browser cookies")
        if sign_up.token is None:
            return self._on(id, "token")
        if sign_up.display_name is None:
            return self._on(id, "display-name")
        if not self.open_account(sign_up.name, sign_up.token):
            raise web.HTTPInternalServerError(text="Registration token used is no longer valid")
        return web.Response(status=303, headers={"Location": "/"})

    async def _home(self, request: web.Request) -> web.Response:
        return web.Response(text="<html></html>", content_type="text/html")

    def _sign_up(self, request: web.Request) -> SignUp:
        return self._sign_ups[request.match_info["id"]]

    def _on(self, id: str, step: str) -> web.Response:
        path = f"{_STEPS}/{step}".replace("{id}", id)
        return web.Response(status=303, headers={"Location": path})
