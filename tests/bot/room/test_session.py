"""The bot's log-in: kept, exclusive, and honest about what is wrong."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.demo.ports import free_port
from bot.room.session import RoomError, Session, Unanswered


async def test_the_next_run_is_the_same_device(house: Any) -> None:
    user = await house.bot_user()
    devices = []
    for password in ("bot-pass-word", "no longer needed"):
        bot = house.session(user, password=password)
        await bot.open()
        devices.append(bot.client.device_id)
        await bot.close()
    assert devices[0] == devices[1]
    folder = house.folder / "bot"
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o077 for file in folder.iterdir()} == {0}
    assert json.loads((folder / "session.json").read_text())["device_id"] == devices[0]


async def test_a_second_process_is_refused(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    user = await house.bot_user()
    monkeypatch.setattr("bot.room.session._GRACE", 0.3)
    first, second = house.session(user), house.session(user)
    await first.open()
    try:
        with pytest.raises(RoomError, match="Another process uses"):
            await second.open()
    finally:
        await second.close()
        await first.close()


async def test_a_process_that_is_ending_is_waited_for(house: Any) -> None:
    user = await house.bot_user()
    first, second = house.session(user), house.session(user)
    await first.open()
    opening = asyncio.create_task(second.open())
    await asyncio.sleep(0.3)
    assert not opening.done()
    await first.close()
    await asyncio.wait_for(opening, 10)
    await second.close()


async def test_an_access_token_serves_as_well(house: Any) -> None:
    user = await house.bot_user()
    token = await house.synapse.register_user(user[1:].partition(":")[0], "bot-pass-word")
    bot = house.session(user, password=None, access_token=token)
    await bot.open()
    assert bot.client.access_token == token and bot.client.device_id
    await bot.close()
    stranger = house.session("@other:porter.localhost", password=None, access_token=token)
    with pytest.raises(RoomError, match="the log-in is @porter"):
        await stranger.open()
    await stranger.close()


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"password": "wrong"}, "refused the log-in"),
        ({"password": None, "access_token": "wrong"}, "no longer accepts the log-in"),
        ({"password": None}, "neither a password nor an access token"),
    ],
)
async def test_a_refused_log_in_is_one_sentence(
    house: Any, wrong: dict[str, Any], sentence: str
) -> None:
    bot = house.session(await house.bot_user(), **wrong)
    with pytest.raises(RoomError, match=sentence):
        await bot.open()
    await bot.close()


class Gate:
    """Stands before the homeserver, which cannot be asked to let a log-in run out."""

    def __init__(self, url: str) -> None:
        self.expired: set[str] = set()
        self.url = ""
        self._target = url

    async def __aenter__(self) -> "Gate":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._pass)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"
        self._client = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._client.close()
        await self._runner.cleanup()

    async def _pass(self, request: web.Request) -> web.Response:
        head = {key: request.headers[key] for key in ("Authorization",) if key in request.headers}
        url = self._target + request.path_qs
        body = await request.read()
        async with self._client.request(request.method, url, data=body, headers=head) as answer:
            text = await answer.text()
        if head.get("Authorization", "").removeprefix("Bearer ") in self.expired:
            said = {"errcode": "M_UNKNOWN_TOKEN", "error": "expired", "soft_logout": True}
            return web.json_response(said, status=401)
        return web.Response(status=answer.status, text=text, content_type="application/json")


async def log_out(house: Any) -> None:
    token = json.loads((house.folder / "bot" / "session.json").read_text())["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(house.synapse.url, headers=headers) as http,
        http.post("/_matrix/client/v3/logout") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("soft", [False, True])
async def test_a_log_in_that_ended_is_made_anew_without_help(
    house: Any, book: Any, capsys: pytest.CaptureFixture[str], soft: bool
) -> None:
    user, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(user, encrypted=True)
    async with Gate(house.synapse.url) as gate:
        session = house.session(user, homeserver_url=gate.url)
        bot = house.room(user, room, book, session)
        running = await house.start(bot)
        await mod.ask(room, "!porter first")
        device, token = session.client.device_id, session.client.access_token
        if soft:
            gate.expired.add(token)
            await mod.say(room, "chatter")  # so that the bot comes back from its long question
        else:
            await log_out(house)
        async with asyncio.timeout(20):
            while not bot._troubles:
                await asyncio.sleep(0.01)
            while bot._troubles:
                await asyncio.sleep(0.01)
        await mod.sync()
        await mod.ask(room, "!porter second")
        assert book.texts == ["first", "second"]
        assert (session.client.device_id == device) is soft
        await house.stop(running)
    said = capsys.readouterr().out
    assert said.count("room_unreachable") == 1 and said.count("room_reachable") == 1
    assert ("room_device_lost" in said) is not soft
    assert "Traceback" not in said


async def test_a_revoked_token_without_a_password_is_waited_for_and_said_once(
    house: Any, book: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.room.room._FIRST_PAUSE", 0.05)
    user, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(user)
    token = await house.synapse.register_user(user[1:].partition(":")[0], "bot-pass-word")
    session = house.session(user, password=None, access_token=token)
    running = await house.start(house.room(user, room, book, session))
    await log_out(house)
    await asyncio.sleep(1)
    assert not running.done()
    said = capsys.readouterr().out
    assert said.count("room_unreachable") == 1 and "put a new bot.access_token in place" in said
    assert "Traceback" not in said


class Flaky:
    """A homeserver that answers what a test wants it to."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.url = ""

    async def __aenter__(self) -> "Flaky":
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *fault: object) -> None:
        await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        status, body = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        if isinstance(body, str):
            return web.Response(status=status, text=body)
        return web.json_response(body, status=status)


BUSY = (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "slow down", "retry_after_ms": 10})
GOOD = (200, {"user_id": "@porter:x", "device_id": "D"})


async def test_a_busy_or_broken_homeserver_is_asked_again(house: Any) -> None:
    async with Flaky(BUSY, (502, "<html>gateway</html>"), (200, "not JSON"), GOOD) as server:
        bot = house.session("@porter:x", homeserver_url=server.url, access_token="t")
        await bot.open()
        assert server.asked == 4
        await bot.close()


async def test_patience_ends(house: Any) -> None:
    endless = (429, {"errcode": "M_LIMIT_EXCEEDED", "error": "x", "retry_after_ms": 3_600_000})
    async with Flaky(endless) as server:
        bot = house.session("@porter:x", homeserver_url=server.url, access_token="t")
        with pytest.raises(Unanswered, match="asks for fewer requests"):
            await asyncio.wait_for(bot.open(), 5)
        assert server.asked == 1
        await bot.close()


async def test_a_homeserver_that_is_away_is_waited_for_and_said_once(
    house: Any, book: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.room.room._FIRST_PAUSE", 0.05)
    url = f"http://127.0.0.1:{free_port()}"
    bot = house.room("@porter:x", "!r", book, house.session("@porter:x", homeserver_url=url))
    monkeypatch.setattr(Session.ask, "__kwdefaults__", {"patience": 0.0})
    running = await house.start(bot, wait=False)
    await asyncio.sleep(0.6)
    assert not running.done()
    await house.stop(running)
    assert running.cancelled()
    assert capsys.readouterr().out.count("room_unreachable") == 1
