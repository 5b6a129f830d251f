"""What the tests of the homeserver's edges share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web

from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.mas_api import MasApi
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET, Mas

LIMIT = timedelta(seconds=5)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Serve = Callable[[Handler], Awaitable[str]]


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a stand-in that answers everything alike; returns its address."""
    runners = []

    async def start(handler: Handler) -> str:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        runners.append(runner)
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def service() -> AsyncIterator[Mas]:
    """A Matrix Authentication Service."""
    mas = Mas()
    await mas.start()
    yield mas
    await mas.stop()


class MasEdge:
    """Makes edges to one service."""

    def __init__(self, session: aiohttp.ClientSession, mas: Mas) -> None:
        self.session = session
        self.mas = mas

    def credentials(self, secret: str = CLIENT_SECRET, url: str = "") -> ClientCredentials:
        address = url or self.mas.url
        return ClientCredentials(self.session, address, CLIENT_ID, secret, LIMIT)

    def api(self, secret: str = CLIENT_SECRET, url: str = "") -> MasApi:
        return MasApi(self.session, self.credentials(secret, url), LIMIT)


@pytest.fixture
def edge(session: aiohttp.ClientSession, service: Mas) -> MasEdge:
    return MasEdge(session, service)
