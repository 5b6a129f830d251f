"""The web door on its port: routes, limits, and what comes before the first handler."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from gateway.settings.settings import Settings
from gateway.web import headers
from gateway.web.door import Door, Reception
from gateway.web.mishaps import mishaps
from gateway.web.pages import Pages
from gateway.web.shelf import Shelf

__all__ = ["Reception", "WebServer", "build"]

_LARGEST_BODY = 16 * 1024
_QUEUE = 1024  # connections that wait to be taken up: one too many waits a second for its next try
_HEAD_TIME = 30.0  # seconds in which the next request has begun and its headers have arrived
_FAREWELL = 3.0  # seconds for requests in progress when the desk goes home


def build(
    settings: Settings,
    reception: Reception,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> web.Application:
    """The application with all its routes.

    Raises ValueError, with one sentence, for a template or a picture that cannot be used.
    """
    shelf = Shelf(settings.web.logo, settings.web.favicon)
    pages = Pages(
        server_name=settings.server_name,
        files=shelf.names,
        human_check=settings.registration.human_check,
        templates=settings.web.templates,
    )
    door = Door(settings, reception, pages, shelf, clock)
    app = web.Application(middlewares=[mishaps(pages)], client_max_size=_LARGEST_BODY)
    app.add_routes(
        [
            web.get("/", door.front),
            web.get("/register", door.back_to_front),
            web.post("/register", door.register),
            web.get("/challenge", door.challenge),
            web.get("/api/time", door.time),
            web.get("/healthz", door.health),
            web.get("/readyz", door.readiness),
            web.get("/static/{name}", door.static),
            web.get("/favicon.ico", door.favicon),
        ]
    )
    return app


class _Silence(AbstractAccessLogger):
    """No access log: it would collect addresses that nobody has asked for."""

    @property
    def enabled(self) -> bool:
        return False

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        return None


class _Connection(web.RequestHandler):
    """One connection, which answers what is not even HTTP shortly, and without our versions."""

    __slots__ = ()

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


class WebServer:
    """The web door on its port. Raises ValueError as `build` does."""

    def __init__(self, settings: Settings, reception: Reception) -> None:
        self._host, self._port = settings.web.host, settings.web.port
        self._runner = web.AppRunner(build(settings, reception), shutdown_timeout=_FAREWELL)
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where the door stands, for people of this machine."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Listen. Raises OSError, with one sentence, when the port cannot be had."""
        loop = asyncio.get_running_loop()
        await self._runner.setup()
        server = self._runner.server
        assert server is not None
        try:
            self._listener = await loop.create_server(
                lambda: _Connection(
                    server,
                    loop=loop,
                    access_log_class=_Silence,
                    keepalive_timeout=_HEAD_TIME,
                    lingering_time=2.0,
                ),
                self._host,
                self._port,
                backlog=_QUEUE,
            )
        except OSError as error:
            await self._runner.cleanup()
            reason = (error.strerror or str(error)).rpartition(": ")[2]
            raise OSError(f"web.port: cannot listen on {self.url} ({reason})") from error

    async def stop(self) -> None:
        """Take no more requests, finish those in progress, and close."""
        if self._listener is not None:
            self._listener.close()
            self._listener = None
        await self._runner.cleanup()
