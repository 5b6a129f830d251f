"""The servers of the benchmark, each in a process of its own: `python -m tests.bench.servers KIND`.

bare: aiohttp sending given bytes, and reading a form. smtp: takes 200 ms for each mail.
homeserver: says of every name that it is free. Each prints its port and ends with its input.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP

ROOT = Path(__file__).parent.parent.parent
DELIVERY = 0.2  # seconds for one mail


class SlowPost:
    """An SMTP handler that takes its time."""

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(DELIVERY)
        return "250 taken"


async def bare(body: bytes) -> int:
    async def front(request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def register(request: web.Request) -> web.Response:
        form = await request.post()
        assert form["requested_username"]
        assert form["email"]
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    return await _serve([web.get("/", front), web.post("/register", register)])


async def homeserver(_: bytes) -> int:
    async def available(request: web.Request) -> web.Response:
        return web.json_response({"available": True})

    return await _serve([web.get("/_matrix/client/v3/register/available", available)])


async def smtp(_: bytes) -> int:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(SlowPost()), "127.0.0.1", 0)
    return int(server.sockets[0].getsockname()[1])


async def _serve(routes: list[web.RouteDef]) -> int:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    return int(runner.addresses[0][1])


KINDS = {"bare": bare, "homeserver": homeserver, "smtp": smtp}


async def main(kind: str) -> None:
    size = int(sys.stdin.buffer.readline())
    body = sys.stdin.buffer.read(size)
    print(await KINDS[kind](body), flush=True)
    await asyncio.to_thread(sys.stdin.buffer.read)


@contextmanager
def running(kind: str, body: bytes = b"") -> Iterator[int]:
    """One of the servers while the block lasts; gives its port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.servers", kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(f"{len(body)}\n".encode() + body)
        process.stdin.flush()
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        process.stdout.close()
        process.terminate()
        process.wait()


@contextmanager
def porter(config: Path, *words: str) -> Iterator[int]:
    """`porter run`, or another of its commands, while the block lasts; gives its process id."""
    with (config.parent / "porter.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", "from bot.terminal import main; main()", *words],
            cwd=config.parent,
            env={**os.environ, "PORTER_CONFIG": str(config), "PYTHONPATH": str(ROOT)},
            stdout=log,
            stderr=log,
        )
        try:
            yield process.pid
        finally:
            process.terminate()
            process.wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
