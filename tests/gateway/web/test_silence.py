"""What a visitor sends gets into no log, and comes back in the fields of his own form alone."""

import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from bot.demo.ports import free_port
from gateway.rules.screening import Code, Refusal
from gateway.settings.settings import Settings
from gateway.web import headers
from gateway.web.server import WebServer
from tests.gateway.web.conftest import SEALED

MARKS = {name: f"{name}-of-a-visitor" for name in ("path", "query", "head", "name", "mail")}
TYPED = {"requested_username": MARKS["name"], "email": f"{MARKS['mail']}@example.net"}
PATHS = (
    "/",
    "/register",
    "/challenge",
    "/api/time",
    "/healthz",
    "/readyz",
    "/favicon.ico",
    f"/static/{MARKS['path']}",
    f"/unwanted/{SEALED}",
    f"/unwanted/{MARKS['path']}",
    f"/{MARKS['path']}",
)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("mood", ["well", "refusing", "broken"])
async def test_nothing_comes_back_and_nothing_is_logged(
    make_settings: Callable[..., Settings],
    desk: Any,
    method: str,
    mood: str,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    server = WebServer(make_settings(port=free_port()), desk)
    await server.start()
    if mood == "refusing":
        desk.refusals = (Refusal(Code.NAME_BANNED, "a pattern of the moderators"),)
    elif mood == "broken":
        desk.failure = RuntimeError("on purpose")
    with caplog.at_level(logging.DEBUG, logger="aiohttp"):
        async with aiohttp.ClientSession() as session:
            for path in PATHS:
                for accept in ("text/html", "application/json"):
                    await look(session, server.url, method, path, accept, shows_form=mood != "well")
        await server.stop()
    logged = caplog.text + "".join(capsys.readouterr())
    assert not [mark for mark in MARKS.values() if mark in logged]
    if mood == "broken" and method == "POST":
        assert "on purpose" in logged


async def look(
    session: aiohttp.ClientSession,
    url: str,
    method: str,
    path: str,
    accept: str,
    *,
    shows_form: bool,
) -> None:
    async with session.request(
        method,
        f"{url}{path}?x={MARKS['query']}",
        headers={"X-Mark": MARKS["head"], "Cookie": MARKS["head"], "Accept": accept},
        data=TYPED if method in ("POST", "PUT") else None,
        allow_redirects=False,
    ) as answer:
        said = f"{answer.headers!r} {await answer.text()}"
    is_form = shows_form and (method, path, accept) == ("POST", "/register", "text/html")
    for name, mark in MARKS.items():
        assert mark not in said or (is_form and name in ("name", "mail")), (path, accept)
    assert "moderators" not in said and "on purpose" not in said
    assert answer.headers.keys() >= headers.SECURITY.keys(), path
