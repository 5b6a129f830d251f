"""The web door on its port: routes, limits, and what comes before the first handler."""

import asyncio
from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from gateway.clock import utc_now
from gateway.settings.settings import Settings
from gateway.web import unwanted
from gateway.web.connection import Connection
from gateway.web.door import Door, Reception
from gateway.web.doorway import Doorway
from gateway.web.mishaps import mishaps
from gateway.web.pages import Pages
from gateway.web.shelf import Shelf
from gateway.web.turnstile import Turnstile

__all__ = ["Reception", "WebServer", "build"]

_LARGEST_BODY = 16 * 1024
_QUEUE = 1024  # connections that wait to be taken up: one too many waits a second for its next try
_FAREWELL = 3.0  # seconds for requests in progress when the desk goes home


def build(
    settings: Settings,
    reception: Reception,
    *,
    clock: Callable[[], datetime] = utc_now,
) -> web.Application:
    """The application with all its routes, for a door that stays.

    Raises ValueError, with one sentence, for a template or a picture that cannot be used.
    """
    return _application(Doorway(_door(settings, reception, clock)))


def _door(settings: Settings, reception: Reception, clock: Callable[[], datetime]) -> Door:
    shelf = Shelf(settings.web.logo, settings.web.favicon)
    pages = Pages(
        server_name=settings.server_name,
        files=shelf.names,
        human_check=settings.registration.human_check,
        templates=settings.web.templates,
    )
    return Door(settings, reception, pages, shelf, clock)


def _application(doorway: Doorway) -> web.Application:
    app = web.Application(middlewares=[mishaps(doorway.pages)], client_max_size=_LARGEST_BODY)
    app.add_routes(
        [
            web.get("/", doorway.through(Door.front)),
            web.get("/register", doorway.through(Door.back_to_front)),
            web.post("/register", doorway.through(Door.register)),
            web.get("/challenge", doorway.through(Door.challenge)),
            web.get(unwanted.PATH, doorway.through(lambda door, asked: door.unwanted.show(asked))),
            web.post(
                unwanted.PATH, doorway.through(lambda door, asked: door.unwanted.press(asked))
            ),
            web.get("/api/time", doorway.through(Door.time)),
            web.get("/healthz", doorway.through(Door.health)),
            web.get("/readyz", doorway.through(Door.readiness)),
            web.get("/static/{name}", doorway.through(Door.static)),
            web.get("/favicon.ico", doorway.through(Door.favicon)),
        ]
    )
    return app


class WebServer:
    """The web door on its port. Raises ValueError as `build` does."""

    def __init__(self, settings: Settings, reception: Reception) -> None:
        self._place = settings.web.host, settings.web.port
        self._doorway = Doorway(_door(settings, reception, utc_now))
        self._runner = web.AppRunner(_application(self._doorway), shutdown_timeout=_FAREWELL)
        self._turnstile = Turnstile(settings.web)
        self._listener: asyncio.Server | None = None

    @property
    def url(self) -> str:
        """Where the door stands, for people of this machine."""
        host, port = self._place
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen. Raises OSError, with one sentence, when the port cannot be had."""
        await self._runner.setup()
        try:
            await self._listen()
        except OSError:
            await self._runner.cleanup()
            raise

    async def change(self, settings: Settings, reception: Reception) -> None:
        """Let another desk answer, and perhaps at another place; who came before is not sent away.

        Raises OSError and ValueError, with one sentence; then everything stays as it was.
        """
        door = _door(settings, reception, utc_now)
        before, self._place = self._place, (settings.web.host, settings.web.port)
        if self._place != before:
            self._close()
            try:
                await self._listen()
            except OSError:
                self._place = before
                await self._listen()
                raise
        self._doorway.hang(door)
        self._turnstile.set(settings.web)

    async def settled(self) -> None:
        """Wait until all who came before the last change have their answers."""
        await self._doorway.settled()

    async def stop(self) -> None:
        """Take no more requests, finish those in progress, and close."""
        self._close()
        await self._runner.cleanup()

    def _close(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    async def _listen(self) -> None:
        loop, server = asyncio.get_running_loop(), self._runner.server
        assert server is not None
        try:
            self._listener = await loop.create_server(
                lambda: Connection(server, self._turnstile, loop=loop),
                *self._place,
                backlog=_QUEUE,
            )
        except OSError as error:
            reason = (error.strerror or str(error)).rpartition(": ")[2]
            raise OSError(f"web.port: cannot listen on {self.url} ({reason})") from error
