"""A server with one token in its own configuration, as Conduit."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.homeserver.static import StaticServer
from tests.gateway.homeserver.subjects.subject import Ground, Subject, given, names_at, needed
from tests.stand_ins.conduwuit import Conduwuit


class StaticSubject(Subject):
    """The edge asks nobody for tokens, so nothing goes wrong on its way."""

    def __init__(self, ground: Ground, url: str, token: str) -> None:
        super().__init__(ground.session)
        self.url = url
        self._token = token
        self.homeserver = StaticServer(token, names_at(ground.session, url))

    async def values(self) -> set[str]:
        """As the server's configuration has it."""
        return {self._token}


@asynccontextmanager
async def open_static(ground: Ground) -> AsyncIterator[Subject]:
    """The stand-in, or the server at PORTER_TEST_STATIC that takes the token in ..._TOKEN."""
    url = given("static")
    if url is not None:
        yield StaticSubject(ground, url, needed("static", "token"))
        return
    # The conduwuit family signs people up alike, and takes a token from its configuration too.
    server = Conduwuit(registration_token="theonlytokenthereis")
    await server.start()
    try:
        yield StaticSubject(ground, server.url, "theonlytokenthereis")
    finally:
        await server.stop()
