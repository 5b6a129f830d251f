"""One connection to the web door: let in or not, bounded in time, and silent about itself."""

import asyncio

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from gateway.web import headers
from gateway.web.turnstile import Turnstile

_HEAD_TIME = 30.0  # seconds in which the next request has begun and its headers have arrived
_ANSWER_TIME = 30.0  # seconds in which a client has taken an answer of a few kilobytes


class _Silence(AbstractAccessLogger):
    """No access log: it would collect addresses that nobody has asked for."""

    @property
    def enabled(self) -> bool:
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        return None


class Connection(web.RequestHandler):
    """One connection, which answers what is not even HTTP shortly, and without our versions."""

    __slots__ = ("_entered", "_turnstile")

    def __init__(
        self,
        server: web.Server,
        turnstile: Turnstile,
        *,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        super().__init__(
            server,
            loop=loop,
            access_log_class=_Silence,
            keepalive_timeout=_HEAD_TIME,
            lingering_time=2.0,
            auto_decompress=False,  # no browser packs a form, and what does is none
        )
        self._turnstile = turnstile
        self._entered: str | None = None  # from where, once it was let in

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        peer = transport.get_extra_info("peername")
        name = str(peer[0]) if peer else ""
        if self._turnstile.enter(name):
            self._entered = name
        elif isinstance(transport, asyncio.Transport):
            transport.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._entered is not None:
            self._turnstile.leave(self._entered)
            self._entered = None
        super().connection_lost(exc)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        if isinstance(resp, web.HTTPExpectationFailed):
            resp = self.handle_error(request, resp.status)  # aiohttp's own repeats what was sent
        try:
            async with asyncio.timeout(_ANSWER_TIME):
                return await super().finish_response(request, resp, start_time)
        except TimeoutError:
            # `close` would wait until the client has read, which he may never do.
            if self.transport is not None:
                self.transport.abort()
            raise ConnectionResetError("The client does not take his answer") from None

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        # Not logged: anybody can send rubbish, and our own faults never get here.
        head = {**headers.SECURITY, "Cache-Control": "no-store"}
        answer = web.Response(status=status, text=f"{status}\n", headers=head)
        answer.force_close()
        return answer
