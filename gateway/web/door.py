"""The door's handlers: each translates one route between HTTP and the desk behind `Reception`.

Nothing is decided here but how an answer looks.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from aiohttp import web
from multidict import CIMultiDict

from gateway.rules.networks import IPAddress
from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import Application
from gateway.settings.settings import Settings
from gateway.stories.registration import NotRecorded, Verdict
from gateway.web import form, headers, wording
from gateway.web.busy import BusyPage
from gateway.web.client_address import HEADERS, client_address
from gateway.web.front import FrontPage
from gateway.web.origin import is_cross_site
from gateway.web.pages import Pages
from gateway.web.shelf import BRIEFLY, Shelf, StaticFile
from gateway.web.unwanted import Owners, UnwantedPage
from gateway.words import preferred, speech

_BODY_TIME = 10.0  # seconds in which a form of a kilobyte or two has arrived


class Reception(Owners, Protocol):
    """The desk behind the door."""

    async def opening(self) -> Opening:
        """Whether the desk is open at this moment. Asked for every page, so it must be cheap."""

    async def apply(self, application: Application) -> Verdict:
        """Hear an application. Raises NotRecorded."""

    @property
    def is_busy(self) -> bool:
        """Whether there is no room for one more application. Asked before each is read."""

    async def challenge(self, ip: IPAddress) -> Mapping[str, object]:
        """Something for a browser at `ip` to solve. Asked for every page, so it must be cheap."""

    def form_token(self) -> str:
        """The token of a page that is handed out now; empty where none counts."""

    async def pace(self) -> Pace:
        """How long mails take at present. Asked for every accepted request, so it must be cheap."""

    async def faults(self) -> list[str]:
        """What keeps the desk from working at this moment, one sentence each."""


class Door:
    """The handlers, each for one route."""

    def __init__(
        self,
        settings: Settings,
        reception: Reception,
        pages: Pages,
        shelf: Shelf,
        clock: Callable[[], datetime],
    ) -> None:
        self._settings, self._reception, self.pages = settings, reception, pages
        self._shelf, self._clock = shelf, clock
        self._busy_page = BusyPage(pages)
        self._human_check = settings.registration.human_check
        self.unwanted = UnwantedPage(pages, reception, settings.web.public_url, self._client)
        self._front = FrontPage(pages, settings, reception.form_token, clock)

    async def front(self, request: web.Request) -> web.Response:
        opening = await self._reception.opening()
        asked = request.headers
        body, head = self._front.answer(
            opening, asked.get("Accept", ""), asked.get("Accept-Language", "")
        )
        return web.Response(body=body, headers=head)

    async def back_to_front(self, request: web.Request) -> web.Response:
        # Somebody followed a bookmark, or pressed return in the address bar of an answer.
        return web.Response(status=303, headers={**headers.SECURITY, "Location": "./"})

    async def challenge(self, request: web.Request) -> web.Response:
        if self._human_check == "off":
            raise web.HTTPNotFound
        return _json(200, await self._reception.challenge(self._client(request)))

    async def register(self, request: web.Request) -> web.Response:
        if is_cross_site(request.headers, self._settings.web.public_url):
            raise web.HTTPForbidden
        language = preferred(request.headers.get("Accept-Language", ""))
        as_json = headers.wants_json(
            request.headers.get("Accept", ""), request.content_type == "application/json"
        )
        if self._reception.is_busy:
            body, head = self._busy_page.answer(language, as_json)
            return web.Response(status=503, body=body, headers=head)
        typed = await _form(request)
        application = Application(
            typed.name, typed.email, self._client(request), language, typed.evidence
        )
        words = speech(language)
        try:
            verdict = await self._reception.apply(application)
        except NotRecorded:
            answer = wording.not_recorded(words)
            opening = await self._reception.opening()
        else:
            if not verdict.refusals:
                pace = await self._reception.pace()
                return self._accepted(verdict.is_looked_at, pace, language, as_json)
            opening = await self._reception.opening()
            answer = wording.refused(verdict.refusals, opening, self._clock(), words)
        return self._refused(answer, opening, typed, language, as_json)

    def _accepted(
        self, is_looked_at: bool, pace: Pace, language: str, as_json: bool
    ) -> web.Response:
        if as_json:
            message = wording.accepted(speech(language), is_looked_at, pace)
            return _json(200, {"status": "accepted", "message": message}, language)
        head = headers.page(headers.HTML, "no-store", language)
        return web.Response(body=self.pages.accepted(language, is_looked_at, pace), headers=head)

    def _refused(
        self,
        answer: wording.Answer,
        opening: Opening,
        typed: form.Form,
        language: str,
        as_json: bool,
    ) -> web.Response:
        head = {}
        if answer.retry_after is not None:
            head["Retry-After"] = str(answer.retry_after)
        if as_json:
            errors = [
                {"code": each.code, "field": each.field, "message": each.message}
                for each in answer.complaints
            ]
            body: dict[str, object] = {"status": "refused", "errors": errors}
            if answer.retry_after is not None:
                body["retry_after"] = answer.retry_after
            return _json(answer.status, body, language, head)
        if opening.is_open is answer.is_closed:
            # The desk opened or closed meanwhile: the page goes with the answer.
            opening = replace(opening, is_open=not answer.is_closed, changes_at=None)
        # With a token of its own, so that what was mended can be sent from here.
        token = self._reception.form_token()
        page = self.pages.desk(opening, self._clock(), language, typed, answer.complaints, token)
        head |= headers.form_page(self._human_check, "no-store", language)
        return web.Response(status=answer.status, body=page, headers=head)

    async def time(self, request: web.Request) -> web.Response:
        now = self._clock().astimezone(UTC)
        return _json(200, {"utc_time": f"{now:%H:%M:%S}"})

    async def health(self, request: web.Request) -> web.Response:
        head = {**headers.SECURITY, "Cache-Control": "no-store"}
        return web.Response(text="ok", headers=head)

    async def readiness(self, request: web.Request) -> web.Response:
        faults = await self._reception.faults()
        body: dict[str, object] = {"ready": not faults, "count": len(faults)}
        if self._is_local(request):
            body["faults"] = faults  # they may name hosts and files of ours
        return _json(503 if faults else 200, body)

    async def static(self, request: web.Request) -> web.Response:
        found = self._shelf.find(request.match_info["name"])
        if found is None:
            raise web.HTTPNotFound
        return _file(request, *found)

    async def favicon(self, request: web.Request) -> web.Response:
        return _file(request, self._shelf.favicon, BRIEFLY)

    def _client(self, request: web.Request) -> IPAddress:
        if request.remote is None:
            raise ConnectionResetError("The client went away")
        web_settings = self._settings.web
        return client_address(
            request.remote,
            request.headers.getall(HEADERS[web_settings.forwarded][0], ()),
            web_settings.trusted_proxies,
            web_settings.forwarded,
        )

    def _is_local(self, request: web.Request) -> bool:
        # Behind a proxy on this machine that nobody declared, everybody seems to be local.
        hidden = {"X-Forwarded-For", "Forwarded", "Via", "X-Real-IP"} & request.headers.keys()
        client = self._client(request)
        return client.is_loopback and not hidden


async def _form(request: web.Request) -> form.Form:
    """The form that was sent; the middleware turns what is raised into a page."""
    announced = request.content_length or 0
    if announced > request.client_max_size:
        raise web.HTTPRequestEntityTooLarge(request.client_max_size, announced)
    try:
        async with asyncio.timeout(_BODY_TIME):
            body = await request.read()
        return form.read(body, request.content_type, request.headers.get("Content-Type", ""))
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    except form.Unreadable as error:
        if error.status == 415:
            raise web.HTTPUnsupportedMediaType from None
        raise web.HTTPBadRequest from None


def _json(
    status: int, data: object, language: str = "en", head: dict[str, str] | None = None
) -> web.Response:
    body = json.dumps(data).encode()
    page = headers.page(headers.JSON, "no-store", language)
    return web.Response(status=status, body=body, headers=page | (head or {}))


def _file(request: web.Request, file: StaticFile, cache: str) -> web.Response:
    head = CIMultiDict({**headers.SECURITY, **file.headers, "Cache-Control": cache})
    known = request.headers.get("If-None-Match", "")
    if file.etag in known or known == "*":
        return web.Response(status=304, headers=head)
    return web.Response(body=file.content, headers=head)
