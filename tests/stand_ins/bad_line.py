"""A line to a homeserver on which answers go wrong, as a proxy, a cable or a crash does it."""

import asyncio
from collections import deque

import aiohttp
from aiohttp import web
from yarl import URL

DONE = ("lost", "half", "slow")  # the wish is done, and nobody hears of it
NOT_DONE = ("html", "astray", "limit")  # the wish never arrived
_HOP = {"transfer-encoding", "content-length", "content-encoding", "connection", "date", "server"}


class BadLine:
    """Stands between an edge and a homeserver. `faults` befall the next questions, one each.

    "lost": done, then cut off. "half": done, and half of the JSON comes back. "slow": done, and no
    answer comes. "twice": done twice, as a proxy that tries again. "html": a proxy's 502.
    "astray": its 404, in JSON. "limit": a 429. Without one, everything passes.
    """

    def __init__(self, target: str) -> None:
        self.faults: deque[str] = deque()
        self.url = ""
        self._target = URL(target)
        self._ended = asyncio.Event()

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass_on)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Listen no more."""
        self._ended.set()
        await self._runner.cleanup()
        await self._session.close()

    async def _pass_on(self, request: web.Request) -> web.Response:
        fault = self.faults.popleft() if self.faults else None
        if fault == "html":
            page = "<html><h1>502 Bad Gateway</h1></html>"
            return web.Response(status=502, text=page, content_type="text/html")
        if fault == "astray":
            return web.json_response({"error": "Not Found"}, status=404)
        if fault == "limit":
            body = {"errcode": "M_LIMIT_EXCEEDED", "error": "Too fast", "retry_after_ms": 2500}
            return web.json_response(body, status=429)
        if fault == "twice":
            await self._ask(request)
        status, headers, text = await self._ask(request)
        if fault == "lost" and request.transport is not None:
            request.transport.abort()
        if fault == "slow":
            await self._ended.wait()
        if fault == "half":
            text = text[: len(text) // 2]
        return web.Response(status=status, headers=headers, body=text)

    async def _ask(self, request: web.Request) -> tuple[int, dict[str, str], bytes]:
        path = request.rel_url
        url = URL(f"{self._target.origin()}{path.raw_path_qs}", encoded=True)
        headers = {k: v for k, v in request.headers.items() if k.lower() not in {*_HOP, "host"}}
        async with self._session.request(
            request.method,
            url,
            headers=headers,
            data=await request.read() or None,
            allow_redirects=False,
        ) as response:
            kept = {k: v for k, v in response.headers.items() if k.lower() not in _HOP}
            return response.status, kept, await response.read()
