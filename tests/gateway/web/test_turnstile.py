"""How many connections stand open: those too many are closed at once, and nobody else's."""

import asyncio
import resource
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from bot.demo.ports import free_port
from gateway.settings.settings import Settings
from gateway.web.server import WebServer
from gateway.web.turnstile import Turnstile


def test_a_stranger_has_his_share_and_a_proxy_all_of_it(
    make_settings: Callable[..., Settings],
) -> None:
    web = make_settings(trusted_proxies=["10.0.0.0/8"], connections=5, connections_each=2).web
    turnstile = Turnstile(web)
    assert [turnstile.enter("203.0.113.7") for _ in range(3)] == [True, True, False]
    assert [turnstile.enter("::ffff:10.0.0.1") for _ in range(4)] == [True, True, True, False]
    turnstile.leave("203.0.113.7")
    assert turnstile.enter("fe80::1%eth0")
    assert not turnstile.enter("203.0.113.8")


def test_a_host_with_a_whole_64_is_one_stranger(make_settings: Callable[..., Settings]) -> None:
    turnstile = Turnstile(make_settings(connections_each=2).web)
    assert [turnstile.enter(f"2001:db8::{n}") for n in (1, 2, 3)] == [True, True, False]
    turnstile.leave("2001:db8::1")
    assert turnstile.enter("2001:db8::4")


def test_files_are_left_for_the_desk_itself(
    make_settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (203, 203))
    turnstile = Turnstile(make_settings().web)
    assert [turnstile.enter(str(number)) for number in range(4)] == [True, True, True, False]


async def test_one_too_many_is_closed_and_those_inside_go_on(
    desk: Any, make_settings: Callable[..., Settings]
) -> None:
    server = WebServer(make_settings(port=free_port(), connections_each=3), desk)
    await server.start()
    port = int(server.url.rsplit(":")[-1])
    get = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        inside = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        for reader, writer in inside:
            stack.callback(writer.close)
            writer.write(get)
            assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        with pytest.raises(ConnectionError):
            writer.write(get)
            if not await reader.read():
                raise ConnectionResetError
        writer.close()
        reader, writer = inside[0]
        writer.write(get)
        async with asyncio.timeout(5):
            while b"200 OK" not in await reader.readline():
                pass
        # Who goes makes room.
        inside[2][1].close()
        await inside[2][1].wait_closed()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(get)
        assert (await reader.readline()).startswith(b"HTTP/1.1 200 ")
        writer.close()
