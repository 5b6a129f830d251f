"""Whether a name is still free on the homeserver, without ever holding a request up.

Servers limit the rate of such questions (Synapse: three of six at once), so few are asked at a
time; after a sign of trouble none for a moment.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError, NameAvailability
from gateway.homeserver.question import Answer, ask

_TAKEN = ("M_USER_IN_USE", "M_INVALID_USERNAME", "M_EXCLUSIVE")
_LONGEST_QUEUE = 4  # with more at a time the homeserver, or the wait for it, would suffer
_SHORTEST_REST = 1.0  # seconds without questions after trouble
_LONGEST_REST = 10.0


Ask = Callable[[str], Awaitable[Answer]]
Read = Callable[[Answer], NameAvailability]


def registrable(session: aiohttp.ClientSession, url: str, timeout: timedelta) -> Ask:
    """The question of the client API, which needs no log-in: GET .../register/available.

    https://spec.matrix.org/v1.17/client-server-api/#get_matrixclientv3registeravailable
    """
    address = URL(url.rstrip("/") + "/_matrix/client/v3/register/available")

    async def question(name: str) -> Answer:
        return await ask(session, "GET", address.with_query(username=name), timeout=timeout)

    return question


def read_registrable(answer: Answer) -> NameAvailability:
    """What the client API's answer says of a name."""
    if answer.status == 200 and answer.body.get("available") is True:
        return NameAvailability.FREE
    if answer.status in (400, 403) and answer.errcode in _TAKEN:
        return NameAvailability.TAKEN
    # M_FORBIDDEN is left open: the conduwuit family says it of a forbidden name, Synapse of every
    # name while its registration is off.
    return NameAvailability.UNKNOWN


class CarefulNames:
    """Asks for names, `at_once` at a time; an answer comes within `timeout`, and UNKNOWN is one."""

    def __init__(
        self, ask: Ask, timeout: timedelta, at_once: int, read: Read = read_registrable
    ) -> None:
        self._question = ask
        self._read = read
        self._timeout = timeout
        self._turns = asyncio.Semaphore(at_once)
        self._asking = 0  # questions under way and in the queue
        self._rests_until = 0.0

    async def availability(self, name: str) -> NameAvailability:
        """FREE, TAKEN (in use, reserved, or no name for this server), else UNKNOWN."""
        if self._asking >= _LONGEST_QUEUE:
            return NameAvailability.UNKNOWN
        self._asking += 1
        try:
            return await self._ask(name)
        finally:
            self._asking -= 1

    async def _ask(self, name: str) -> NameAvailability:
        try:
            async with asyncio.timeout(self._timeout.total_seconds()), self._turns:
                if time.monotonic() < self._rests_until:
                    return NameAvailability.UNKNOWN
                answer = await self._question(name)
        except (HomeserverError, TimeoutError):
            self._rest(None)
            return NameAvailability.UNKNOWN
        if answer.status == 429 or answer.status >= 500:
            self._rest(answer.retry_after)
        return self._read(answer)

    def _rest(self, wanted: float | None) -> None:
        pause = min(max(wanted or 0.0, _SHORTEST_REST), _LONGEST_REST)
        self._rests_until = max(self._rests_until, time.monotonic() + pause)
