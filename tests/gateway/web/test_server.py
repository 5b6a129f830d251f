"""The door on its port, and clients that do not keep to the rules."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest

from bot.demo.ports import free_port
from gateway.settings.settings import Settings
from gateway.stories.registration import Verdict
from gateway.web import headers
from gateway.web.server import WebServer


@pytest.fixture
async def server(desk: Any, make_settings: Callable[..., Settings]) -> AsyncIterator[WebServer]:
    server = WebServer(make_settings(port=free_port()), desk)
    await server.start()
    yield server
    await server.stop()


async def raw(server: WebServer, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", int(server.url.rsplit(":")[-1]))
    writer.write(request)
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


async def test_it_serves_until_it_is_stopped(
    desk: Any, make_settings: Callable[..., Settings]
) -> None:
    port = free_port()
    server = WebServer(make_settings(port=port), desk)
    assert server.url == f"http://127.0.0.1:{port}"
    await server.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{server.url}/healthz") as answer:
            assert await answer.text() == "ok"
        await server.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.get(f"{server.url}/healthz")


async def test_a_request_in_progress_is_finished(
    desk: Any, make_settings: Callable[..., Settings]
) -> None:
    server = WebServer(make_settings(port=free_port()), desk)
    await server.start()
    begun, goes_on = asyncio.Event(), asyncio.Event()

    async def slow(application: object) -> Verdict:
        begun.set()
        await goes_on.wait()
        return Verdict()

    desk.apply = slow
    async with aiohttp.ClientSession() as session:
        typed = {"requested_username": "ann", "email": "ann@example.net"}
        request = asyncio.create_task(session.post(f"{server.url}/register", data=typed))
        await begun.wait()
        stop = asyncio.create_task(server.stop())
        await asyncio.sleep(0.05)
        assert not stop.done()
        goes_on.set()
        async with await request as answer:
            assert answer.status == 200
        await stop


async def test_a_taken_port_is_one_sentence(
    desk: Any, make_settings: Callable[..., Settings]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        server = WebServer(make_settings(port=port), desk)
        with pytest.raises(OSError) as caught:
            await server.start()
        await server.stop()
    assert str(caught.value).startswith(f"web.port: cannot listen on http://127.0.0.1:{port} (")
    assert "address already in use" in str(caught.value).lower()


def test_an_ipv6_address_stands_in_brackets(
    desk: Any, make_settings: Callable[..., Settings]
) -> None:
    assert WebServer(make_settings(host="::1", port=8090), desk).url == "http://[::1]:8090"


@pytest.mark.parametrize(
    "request_",
    [
        b"\x16\x03\x01 no HTTP at all\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_is_not_http_is_answered_shortly(
    request_: bytes, server: WebServer, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await raw(server, request_)
    assert answer.startswith((b"HTTP/1.0 400 ", b"HTTP/1.1 400 "))
    assert b"aiohttp" not in answer
    assert b"Python" not in answer
    assert len(answer) < 1500
    assert "Traceback" not in caplog.text


async def test_headers_that_never_end(
    server: WebServer,
    desk: Any,
    make_settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("gateway.web.connection._HEAD_TIME", 0.1)
    assert await raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ") == b""


async def test_headers_that_drip_in_end_in_time_too(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.connection._HEAD_TIME", 0.5)
    port = int(server.url.rsplit(":")[-1])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
    with pytest.raises(ConnectionError):
        async with asyncio.timeout(20):
            while True:  # a letter in time each time, for ever
                writer.write(b"a")
                await writer.drain()
                await asyncio.sleep(0.05)
    writer.close()


async def test_a_client_that_never_reads_is_left(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.connection._ANSWER_TIME", 0.2)
    port = int(server.url.rsplit(":")[-1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.setblocking(False)
        page, loop = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 20, asyncio.get_running_loop()
        with pytest.raises(ConnectionError):
            async with asyncio.timeout(20):
                while True:
                    await loop.sock_sendall(client, page)
                    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("Expect: SECRET", 417),
        ("Host: y", 400),
        ("Content-Length: 0\r\nContent-Length: 0", 400),
        ("Content-Length: -1", 400),
        ("Content-Length: 4\r\nTransfer-Encoding: chunked", 400),
        ("X-Folded: a\r\n b", 400),
    ],
)
async def test_what_is_amiss_in_a_header_is_answered_with_all_of_ours(
    head: str, status: int, server: WebServer
) -> None:
    answer = await raw(server, f"GET / HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n".encode())
    assert answer.split(b" ", 2)[1] == str(status).encode()
    said, _, body = answer.partition(b"\r\n\r\n")
    for name in headers.SECURITY:
        assert f"\r\n{name}: ".encode() in said
    assert b"SECRET" not in answer and len(body) < 10


async def test_a_packed_form_is_none(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.post(
            f"{server.url}/register",
            data=b"no gzip at all",
            headers={
                "Content-Encoding": "gzip",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        ) as answer,
    ):
        assert answer.status != 500
    assert "Traceback" not in caplog.text


async def test_a_connection_is_kept_for_the_next_request_but_not_for_ever(
    server: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.connection._HEAD_TIME", 0.1)
    answer = await raw(server, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2)
    assert answer.count(b"HTTP/1.1 200 OK") == 2


async def test_visits_are_not_logged(server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        answer = await raw(server, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"Registration is open." in answer
    assert "127.0.0.1" not in caplog.text
