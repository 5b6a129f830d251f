"""Whether the homeserver is there, and lets us do our work."""

from datetime import timedelta

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError, TokenSource
from gateway.homeserver.question import ask


class Pulse:
    """Asks for the client API, and for the way in which tokens get in."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, timeout: timedelta, source: TokenSource
    ) -> None:
        self._session = session
        self._url = URL(url.rstrip("/") + "/_matrix/client/versions")
        self._timeout = timeout
        self._source = source

    async def check(self) -> None:
        """Raises HomeserverError."""
        answer = await ask(self._session, "GET", self._url, timeout=self._timeout)
        if answer.status != 200:
            raise HomeserverError(f"{self._url.origin()} answered {answer.status}")
        await self._source.check()
