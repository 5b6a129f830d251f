"""The page behind the link in each mail, on which the owner of its address says that he wants none.

Only the button does it: programs that follow the links of a mail, to look for evil ones, change
nothing. Mail programs that know RFC 8058 send the same post for him, and none of them is a browser
that another site could misuse.
"""

from collections.abc import Callable
from typing import Protocol

from aiohttp import web

from gateway.rules.networks import IPAddress
from gateway.stories.registration import NotRecorded
from gateway.web import headers
from gateway.web.origin import is_cross_site
from gateway.web.pages import Pages
from gateway.web.wording import NOT_RECORDED, seconds
from gateway.words import preferred

PATH = "/unwanted/{sealed}"


class Owners(Protocol):
    """Who hears the owners of addresses."""

    async def is_unwanted_link(self, sealed: str) -> bool:
        """Whether the end of a link is signed by us. Raises NotRecorded."""

    async def refuse_mail(self, sealed: str, ip: IPAddress) -> bool:
        """The owner wants no mail; False when the link is not ours. Raises NotRecorded."""


class UnwantedPage:
    """The two handlers; `client` finds the address of whoever asks."""

    def __init__(
        self,
        pages: Pages,
        owners: Owners,
        public_url: str | None,
        client: Callable[[web.Request], IPAddress],
    ) -> None:
        self._pages, self._owners = pages, owners
        self._public_url, self._client = public_url, client

    async def show(self, request: web.Request) -> web.Response:
        language = _language(request)
        try:
            is_ours = await self._owners.is_unwanted_link(request.match_info["sealed"])
        except NotRecorded:
            return self._try_again(language)
        if not is_ours:
            raise web.HTTPNotFound
        return _page(200, self._pages.unwanted(language), language)

    async def press(self, request: web.Request) -> web.Response:
        if is_cross_site(request.headers, self._public_url):
            raise web.HTTPForbidden
        language, sealed = _language(request), request.match_info["sealed"]
        try:
            is_ours = await self._owners.refuse_mail(sealed, self._client(request))
        except NotRecorded:
            return self._try_again(language)
        if not is_ours:
            raise web.HTTPNotFound
        return _page(200, self._pages.unwanted_done(language), language)

    def _try_again(self, language: str) -> web.Response:
        answer = _page(503, self._pages.unwanted(language, failed=True), language)
        answer.headers["Retry-After"] = str(seconds(NOT_RECORDED))
        return answer


def _language(request: web.Request) -> str:
    return preferred(request.headers.get("Accept-Language", ""))


def _page(status: int, body: bytes, language: str) -> web.Response:
    head = headers.page(headers.HTML, "no-store", language)
    return web.Response(status=status, body=body, headers=head)
