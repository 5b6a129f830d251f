"""The bot serves through a homeserver's bad hours: no command is lost, and none runs twice."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.answers import Answer
from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from tests.bot.room.conftest import Book, House

BUSY = "429"
GATEWAY = "a proxy's page"
HALF = "half an answer"
CUT = "a cut connection"


class Proxy:
    """Stands before a homeserver; `moods` are what the next answers of a kind look like."""

    def __init__(self, target: str) -> None:
        self.target = target
        self.moods: dict[str, list[str]] = {"sync": [], "send": []}
        self.asked: Counter[str] = Counter()
        self.at_rest = asyncio.Event()

    async def __aenter__(self) -> "Proxy":
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"
        self._client = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._client.close()
        await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.StreamResponse:
        kind = "sync" if "/sync" in request.path else "send" if "/send/" in request.path else ""
        self.asked[kind] += 1
        mood = self.moods[kind].pop(0) if self.moods.get(kind) else ""
        if mood == BUSY:
            said = {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 50}
            return web.json_response(said, status=429)
        if mood == GATEWAY:
            page = "<html><h1>502 Bad Gateway</h1></html>"
            return web.Response(status=502, text=page, content_type="text/html")
        try:
            status, body = await self._fetch(request)
        except (aiohttp.ClientError, OSError):
            return web.Response(status=502, text="<html>away</html>", content_type="text/html")
        # From here on the homeserver has done what was asked, and its answer is lost.
        if mood == CUT:
            assert request.transport is not None
            request.transport.abort()
        text = body[: len(body) // 2] if mood == HALF else body
        return web.Response(status=status, body=text, content_type="application/json")

    async def _fetch(self, request: web.Request) -> tuple[int, bytes]:
        head = {
            key: request.headers[key]
            for key in ("Authorization", "Content-Type")
            if key in request.headers
        }
        url, body = self.target + request.path_qs, await request.read()
        async with self._client.request(request.method, url, data=body, headers=head) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def own_house(tmp_path: Path) -> AsyncIterator[House]:
    """A house on a homeserver that a test may stop."""
    server = Synapse(tmp_path / "synapse", "porter.localhost", free_port())
    await server.start()
    async with AsyncExitStack() as stack:
        stack.push_async_callback(server.stop)
        yield House(server, tmp_path, stack)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.room.timeline._WAIT", 300)
    monkeypatch.setattr("bot.room.room._FIRST_PAUSE", 0.1)
    monkeypatch.setattr("bot.room.room._LONGEST_PAUSE", 0.5)
    monkeypatch.setattr("bot.room.session._FIRST_PAUSE", 0.1)


@pytest.mark.parametrize("encrypted", [False, True])
async def test_bad_answers_lose_no_command_and_repeat_none(
    house: Any, book: Any, capsys: pytest.CaptureFixture[str], encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)
    async with Proxy(house.synapse.url) as proxy:
        session = house.session(bot, homeserver_url=proxy.url)
        running = await house.start(house.room(bot, room, book, session))
        await mod.ask(room, "!porter before")
        moods = [BUSY, GATEWAY, HALF, CUT]
        proxy.moods |= {"sync": moods * 2, "send": moods[:]}
        asked = [await mod.say(room, f"!porter command {number}") for number in range(5)]
        for each in asked:
            await mod.answer_to(each)
        await mod.ask(room, "!porter after")
        await book.rest()
        assert proxy.moods == {"sync": [], "send": []}
        await house.stop(running)
    assert book.texts == ["before", *(f"command {number}" for number in range(5)), "after"]
    assert [len(mod.answers_to(each)) for each in asked] == [1] * 5
    said = capsys.readouterr().out
    assert "Traceback" not in said
    # Each of the four reasons once while it lasts, not one line for each of the eight tries.
    spells = said.count("room_reachable")
    assert 1 <= spells <= 2 and said.count("room_unreachable") <= spells + 3


async def test_a_homeserver_that_restarts_is_served_on(
    own_house: Any, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    house = own_house
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    async with Proxy(house.synapse.url) as proxy:
        session = house.session(bot, homeserver_url=proxy.url)
        running = await house.start(house.room(bot, room, book, session))
        await mod.ask(room, "!porter before")
        # The server goes away while a command is being carried out: its answer is owed.
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def act(command: Any) -> Answer:
            begun.set()
            await go_on.wait()
            return Answer((f"Done: {command.text}",))

        book.act = act
        asked = await mod.say(room, "!porter ban")
        await begun.wait()
        await house.synapse.stop()
        go_on.set()
        before = proxy.asked.total()
        await asyncio.sleep(2)
        tries = proxy.asked.total() - before
        assert 0 < tries < 20  # it keeps asking, with pauses
        await house.synapse.start()
        book.act = book.echo
        assert (await mod.answer_to(asked))["body"] == "Done: ban"
        await mod.ask(room, "!porter after")
        await book.rest()
        await house.stop(running)
    assert book.texts == ["before", "ban", "after"]
    assert len(mod.answers_to(asked)) == 1
    assert "Traceback" not in capsys.readouterr().out


async def test_a_restart_between_two_commands_is_two_lines_in_the_log(
    own_house: Any, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    house = own_house
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    running = await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter before")
    await book.rest()
    await house.synapse.stop()
    await asyncio.sleep(1)
    await house.synapse.start()
    await mod.ask(room, "!porter after")
    await mod.ask(room, "!porter again")
    await house.stop(running)
    assert book.texts == ["before", "after", "again"]
    said = capsys.readouterr().out
    assert said.count("room_unreachable") == said.count("room_reachable") == 1
    assert "Traceback" not in said
