"""Free and taken names on a real Synapse; trouble never holds a request up."""

import asyncio
import time
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from gateway.homeserver.homeserver import NameAvailability
from gateway.homeserver.names import CarefulNames, registrable

FREE, TAKEN, UNKNOWN = NameAvailability
PATIENCE = timedelta(seconds=5)


def names_at(
    session: aiohttp.ClientSession, url: str, timeout: timedelta = PATIENCE
) -> CarefulNames:
    return CarefulNames(registrable(session, url, timeout), timeout, at_once=2)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_synapse_knows_its_names(synapse: Synapse, session: aiohttp.ClientSession) -> None:
    await synapse.register_user("settled", "pass-word-1")
    names = names_at(session, synapse.url + "/")
    assert await names.availability("settled") is TAKEN
    assert await names.availability("nobody-yet") is FREE
    assert await names.availability("12345") is TAKEN  # no name for this server
    assert await names.availability("a&username=b") is TAKEN


@pytest.mark.parametrize(
    ("status", "body", "wanted"),
    [
        (200, {"available": True}, FREE),
        (200, {}, UNKNOWN),
        (400, {"errcode": "M_EXCLUSIVE"}, TAKEN),
        (400, {"errcode": "M_USER_IN_USE"}, TAKEN),
        (400, {"errcode": "M_UNKNOWN"}, UNKNOWN),
        (403, {"errcode": "M_FORBIDDEN"}, UNKNOWN),
        (429, {"errcode": "M_LIMIT_EXCEEDED"}, UNKNOWN),
        (502, {"errcode": "M_USER_IN_USE"}, UNKNOWN),
        (200, [], UNKNOWN),
    ],
)
async def test_each_answer_has_its_meaning(
    session: aiohttp.ClientSession, status: int, body: object, wanted: NameAvailability
) -> None:
    async def answer(request: web.Request) -> web.Response:
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/_matrix/client/v3/register/available", answer)
    async with TestServer(app) as server:
        names = names_at(session, str(server.make_url("/")))
        assert await names.availability("ann") is wanted


async def test_many_questions_are_bounded_in_time_and_number(
    session: aiohttp.ClientSession,
) -> None:
    together, most = 0, 0

    async def sleep(request: web.Request) -> web.Response:
        nonlocal together, most
        together += 1
        most = max(most, together)
        try:
            await asyncio.sleep(30)
        finally:
            together -= 1
        return web.json_response({"available": True})

    app = web.Application()
    app.router.add_get("/{path:.*}", sleep)
    async with TestServer(app) as server:
        names = names_at(session, str(server.make_url("/")), timedelta(seconds=0.3))
        began = time.monotonic()
        answers = await asyncio.gather(*(names.availability(f"n{n}") for n in range(50)))
        assert time.monotonic() - began < 1
        assert set(answers) == {UNKNOWN}
        assert most == 2
        began = time.monotonic()
        assert await names.availability("next") is UNKNOWN
        assert time.monotonic() - began < 0.1  # trouble is not asked again at once


async def test_it_asks_again_after_a_rest(session: aiohttp.ClientSession) -> None:
    port = free_port()
    names = names_at(session, f"http://127.0.0.1:{port}")
    assert await names.availability("ann") is UNKNOWN

    async def free(request: web.Request) -> web.Response:
        return web.json_response({"available": True})

    app = web.Application()
    app.router.add_get("/{path:.*}", free)
    async with TestServer(app, port=port), asyncio.timeout(5):
        while await names.availability("ann") is not FREE:
            await asyncio.sleep(0.1)
