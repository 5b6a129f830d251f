"""Whatever a homeserver answers is an answer or one sentence, and ends no task."""

import asyncio
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError, NameAvailability
from gateway.homeserver.names import CarefulNames, registrable
from gateway.homeserver.question import Answer, Unreadable, ask

LIMIT = timedelta(seconds=5)
DEEP = b'{"a":' * 100_000


def saying(body: bytes, status: int = 200) -> Any:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=status, body=body, content_type="application/json")

    return answer


@pytest.mark.parametrize(
    "body", [DEEP, b"[" * 100_000, b'{"a":', b"[]", b'{"a":"\xff"}', b'{"a":' + b"9" * 5000 + b"}"]
)
async def test_what_is_no_answer_is_said_to_be_none(
    session: aiohttp.ClientSession, serve: Any, body: bytes
) -> None:
    with pytest.raises(Unreadable, match="not a Matrix answer"):
        await ask(session, "GET", URL(await serve(saying(body))), timeout=LIMIT)


@pytest.mark.parametrize("host", ["a..b", "a" * 300])
async def test_a_host_that_is_no_name_is_one_that_cannot_be_reached(
    session: aiohttp.ClientSession, host: str
) -> None:
    with pytest.raises(HomeserverError, match="cannot be reached"):
        await ask(session, "GET", URL(f"http://{host}/secret"), timeout=LIMIT)


@pytest.mark.parametrize("pause", [10**400, -1, 1e999, float("nan"), "5", None, {}])
def test_a_pause_that_nobody_can_mean_is_none(pause: Any) -> None:
    assert Answer(429, {"retry_after_ms": pause}).retry_after is None
    assert Answer(429, {"retry_after_ms": 2500}).retry_after == 2.5


@pytest.mark.parametrize("body", [DEEP, b'{"retry_after_ms":' + b"9" * 4000 + b"}"])
async def test_a_question_for_a_name_has_an_answer_all_the_same(
    session: aiohttp.ClientSession, serve: Any, body: bytes
) -> None:
    address = await serve(saying(body, 429))
    names = CarefulNames(registrable(session, address, LIMIT), LIMIT, at_once=1)
    async with asyncio.timeout(5):
        assert await names.availability("ann") is NameAvailability.UNKNOWN
