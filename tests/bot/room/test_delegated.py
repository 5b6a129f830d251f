"""A bot on a homeserver whose accounts belong to an authentication service."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.operator.fit import fit
from bot.room.inspection import inspect
from bot.room.power import Rule
from bot.room.session import RoomError, Session
from bot.room.signing import reset, sign_device
from bot.terminal import main
from gateway.homeserver.identity import identify
from gateway.homeserver.sign_up import ask_sign_up
from gateway.settings.homeserver import Homeserver
from tests.bot.conftest import CONFIG
from tests.bot.room.conftest import House
from tests.stand_ins.mas_compat import CompatMas

SHARED_SECRET = "between-synapse-and-its-service"


class DelegatedSynapse(Synapse):
    """A real Synapse that leaves accounts and log-ins to the service on `service_port`."""

    service_port = 0

    def _config(self) -> dict[str, Any]:
        return super()._config() | {
            "matrix_authentication_service": {
                "enabled": True,
                "endpoint": f"http://127.0.0.1:{self.service_port}",
                "secret": SHARED_SECRET,
            },
            "password_config": {"enabled": False},
            "enable_registration": False,
        }


@pytest.fixture(scope="module")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DelegatedSynapse]:
    ports = {free_port() for _ in range(9)}  # not all different: none is held
    folder = tmp_path_factory.mktemp("delegated")
    server = DelegatedSynapse(folder, "porter.localhost", ports.pop())
    server.service_port = ports.pop()
    with asyncio.Runner() as runner:
        runner.run(server.start())
        try:
            yield server
        finally:
            runner.run(server.stop())


class Ground:
    """The service, and sessions of a bot that has an account on it."""

    def __init__(self, mas: CompatMas, synapse: Synapse, folder: Path) -> None:
        self.mas = mas
        self.synapse = synapse
        self.folder = folder / "bot"
        self.name = f"porter-{secrets.token_hex(4)}"
        self.user = f"@{self.name}:porter.localhost"
        self.stack = AsyncExitStack()

    def session(self, **more: Any) -> Session:
        given: dict[str, Any] = {
            "homeserver_url": self.mas.url,
            "user": self.user,
            "password": None,
            "access_token": None,
            "device_name": "Porter",
            "folder": self.folder,
        }
        session = Session(**(given | more))
        self.stack.push_async_callback(session.close)
        return session

    async def token(self, device: str | None = None) -> str:
        return await self.mas.issue_compatibility_token(self.name, device)


@pytest.fixture
async def ground(synapse: DelegatedSynapse, tmp_path: Path) -> AsyncIterator[Ground]:
    mas = CompatMas(synapse.url, SHARED_SECRET)
    made = Ground(mas, synapse, tmp_path)
    async with made.stack:
        await mas.start(synapse.service_port)
        made.stack.push_async_callback(mas.stop)
        await mas.sign_up(made.name)
        yield made


async def refusal(session: Session) -> str:
    with pytest.raises(RoomError) as caught:
        await session.open()
    return str(caught.value)


async def test_a_compatibility_token_is_a_device_for_life(ground: Ground) -> None:
    token = await ground.token()
    devices = []
    for _ in range(2):
        bot = ground.session(access_token=token)
        await bot.open()
        devices.append(bot.client.device_id)
        await bot.ask(bot.client.sync, timeout=0)
        await bot.close()
    assert devices[0] == devices[1] == ground.mas.compat_tokens[token][1]
    chosen = ground.session(access_token=await ground.token("PORTERDESK"))
    await chosen.open()
    assert chosen.client.device_id == "PORTERDESK"


async def test_a_token_without_a_device_is_refused_with_what_to_do(ground: Ground) -> None:
    said = await refusal(ground.session(access_token=ground.mas.personal_token(ground.name)))
    assert said == (
        "bot.access_token belongs to no device; use one from a log-in, or from"
        f" `mas-cli manage issue-compatibility-token {ground.name}`."
    )


@pytest.mark.parametrize("leads", ["to the service", "past the service"])
async def test_a_password_that_nobody_takes_is_refused_with_what_to_do(
    ground: Ground, leads: str
) -> None:
    url = ground.mas.url if leads == "to the service" else ground.synapse.url
    bot = ground.session(password="bot-pass-word", homeserver_url=url)
    said = await refusal(bot)
    assert said == (
        f"bot.password: {url} takes no password log-ins: set bot.access_token in its place"
        " (an authentication service makes one by `mas-cli manage issue-compatibility-token"
        f" {ground.name}`)."
    )
    assert "POST /_matrix/client/v3/login" not in ground.mas.asked
    assert await inspect(bot, "!room", Rule(50)) == [said]  # so `porter check` says it too


async def test_a_password_that_the_service_takes_logs_in(ground: Ground) -> None:
    ground.mas.passwords = {ground.name: "bot-pass-word"}
    bot = ground.session(password="bot-pass-word")
    await bot.open()
    assert bot.client.device_id == next(iter(ground.mas.compat_tokens.values()))[1]
    assert "refused the log-in" in await refusal(
        ground.session(password="wrong", folder=ground.folder.parent / "other")
    )


async def test_a_token_that_ended_is_said_to_need_one_that_lasts(ground: Ground) -> None:
    said = await refusal(ground.session(access_token="mct_over"))
    assert "M_UNKNOWN_TOKEN" in said and "one that does not expire" in said


async def upload_keys(bot: Session) -> None:
    await bot.open()
    await bot.ask(bot.client.keys_upload)


async def test_the_first_signing_keys_need_no_password(ground: Ground) -> None:
    bot = ground.session(access_token=await ground.token())
    await upload_keys(bot)
    assert await sign_device(bot) is None
    assert await sign_device(bot) is None


async def test_lost_signing_keys_are_a_standing_warning_and_no_upload(ground: Ground) -> None:
    bot = ground.session(access_token=await ground.token())
    await upload_keys(bot)
    assert await sign_device(bot) is None
    (ground.folder / "cross-signing.json").unlink()
    ground.mas.asked.clear()
    for _ in range(3):
        unsigned = await sign_device(bot)
        assert unsigned is not None and "porter reset-signing" in unsigned
    asked = {each.rpartition("/")[2] for each in ground.mas.asked}
    assert asked - {"introspect"} == {"query"}


async def test_fresh_signing_keys_are_refused_until_they_are_allowed(ground: Ground) -> None:
    bot = ground.session(access_token=await ground.token())
    await upload_keys(bot)
    assert await sign_device(bot) is None
    keys = ground.folder / "cross-signing.json"
    before = json.loads(keys.read_text())
    with pytest.raises(RoomError) as caught:
        await reset(bot)
    said = str(caught.value)
    assert f"approved by whoever is logged in as {ground.user} at {ground.mas.url}/account/" in said
    path = f"/_synapse/admin/v1/users/{ground.user}/_allow_cross_signing_replacement_without_uia"
    assert f"a server admin allow it with POST {path}" in said
    assert json.loads(keys.read_text()) == before
    admin = await ground.mas.issue_compatibility_token(ground.name, admin=True)
    headers = {"Authorization": f"Bearer {admin}"}
    async with aiohttp.ClientSession(ground.synapse.url, headers=headers) as http:
        assert (await http.post(path)).status == 200  # it does what was said
    assert await reset(bot)
    assert json.loads(keys.read_text()) != before


async def test_porter_reset_signing_says_why_nothing_was_signed(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.log.configure", lambda **_: None)  # the log is the whole run's
    token = await ground.token()
    bot = ground.session(access_token=token)
    await upload_keys(bot)
    assert await sign_device(bot) is None
    await bot.close()
    config = ground.folder.parent / "config.yaml"
    section = f'bot: {{user: "{ground.user}", access_token: {token}, room: "!r:x"}}\n'
    config.write_text(CONFIG.replace("http://127.0.0.1:1", ground.mas.url) + section)
    command = ["--config", str(config), "reset-signing"]
    done = await asyncio.to_thread(CliRunner().invoke, main, command)
    assert done.exit_code == 1
    assert done.output.startswith(
        "Error: Nothing was signed: the homeserver wants this approved by whoever is logged in as"
        f" {ground.user} at {ground.mas.url}/account/"
    )


async def test_the_bot_serves_its_encrypted_room(ground: Ground, book: Any) -> None:
    ground.mas.passwords = {f"{ground.name}-mod": "pass-word-1"}
    await ground.mas.sign_up(f"{ground.name}-mod")
    front = House(SimpleNamespace(url=ground.mas.url), ground.folder.parent, ground.stack)
    mod = await front.person_as(f"@{ground.name}-mod:porter.localhost", "pass-word-1")
    room = await mod.open_room(ground.user, encrypted=True)
    session = ground.session(access_token=await ground.token())
    await front.start(front.room(ground.user, room, book, session))
    await mod.ask(room, "!porter status")
    assert book.texts == ["status"]
    assert not any("not signed" in each for each in book.warnings)


async def test_the_check_sees_the_service_before_a_real_synapse(ground: Ground) -> None:
    limit = timedelta(seconds=5)
    async with aiohttp.ClientSession() as session:
        found = await identify(session, ground.synapse.url, limit)
        sign_up = await ask_sign_up(session, ground.synapse.url, limit)
    assert found.name == "Synapse"
    assert found.version.is_known
    assert (found.issuer or "").rstrip("/") == ground.mas.url
    assert sign_up.is_closed
    where = {"url": ground.synapse.url, "auth_url": ground.mas.url}
    behind = Homeserver(kind="mas", client_id="c", client_secret="s", **where)
    assert fit(behind, found) == []
    (fault,) = fit(Homeserver(kind="synapse", url=ground.synapse.url, admin_token="x"), found)
    assert "set kind: mas" in fault.text
