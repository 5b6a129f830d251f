"""`porter check` says everything at once, changes nothing, and never prints a secret."""

import asyncio
import os
import secrets
import shutil
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from nio import AsyncClient

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.operator import surroundings
from bot.operator.check import check
from bot.operator.finding import Finding
from bot.operator.surroundings import _ROOM_WARNINGS
from bot.room.power import Rule, Standing
from tests.conftest import Stand
from tests.stand_ins.front_door import DUMMY
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET, Mas

BROKEN = Path(__file__).parent / "broken_configs"
NO_BOT = "bot: not configured; nobody moderates, and no alert is shown anywhere"
AUTHORITY = trustme.CA()


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        str(each.relative_to(folder)): each.read_bytes() if each.is_file() else None
        for each in folder.rglob("*")
    }


@pytest.mark.parametrize("name", sorted(each.stem for each in BROKEN.glob("*.yaml")))
async def test_a_broken_configuration_gets_these_very_sentences(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "configs"
    shutil.copytree(BROKEN, folder)
    before = tree(folder)
    found = await check(folder / f"{name}.yaml")
    said = [str(each).replace(str(folder), "{folder}") for each in found]
    assert said == (BROKEN / f"{name}.txt").read_text().splitlines()
    assert tree(folder) == before
    assert "hush-hush" not in "\n".join(said)


async def test_a_configuration_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (found,) = await check(tmp_path / "none.yaml")
    assert str(found) == f"{tmp_path / 'none.yaml'}: cannot be read (No such file or directory)"


# A desk whose surroundings are real


class MailServer:
    """Takes the log-in porter / s3cret, and nothing else."""

    async def start(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert("localhost").configure_cert(context)

        def line() -> SMTP:
            return SMTP(
                self,
                hostname="mail.test",
                tls_context=context,
                require_starttls=True,
                auth_required=True,
                authenticator=self._authenticate,
            )

        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(line, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def _authenticate(self, server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        return AuthResult(success=data == LoginPassword(b"porter", b"s3cret"), handled=False)

    async def stop(self) -> None:
        self._server.close()
        await self._server.wait_closed()


@pytest.fixture
async def mail_server() -> AsyncIterator[MailServer]:
    server = MailServer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def web_port() -> Iterator[int]:
    """A port that stays free: bound, so that the system gives it to nobody else, and not listened
    on, so that the check finds it free."""
    with socket.socket() as kept:
        kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        kept.bind(("127.0.0.1", 0))
        yield kept.getsockname()[1]


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """A busy machine is no fault; only the tests of what is told in time keep to the limits."""
    if not request.node.name.endswith("in_time"):
        for limit in ("_MAIL_LIMIT", "_QUESTION_LIMIT"):
            monkeypatch.setattr(surroundings, limit, timedelta(minutes=1))
        monkeypatch.setattr(surroundings, "_LIMIT", 60.0)


Write = Callable[..., Path]


@pytest.fixture(scope="module")
def admin_token(synapse: Synapse) -> str:
    return asyncio.run(synapse.register_user("check-admin", "pass-word-1", admin=True))


@pytest.fixture
def write(
    tmp_path: Path, synapse: Synapse, mail_server: MailServer, admin_token: str, web_port: int
) -> Write:
    """Writes a configuration that is right, but for the changes given by `section__key`."""
    folder = tmp_path / "desk"
    folder.mkdir()
    (folder / "tokens").mkdir()
    AUTHORITY.cert_pem.write_to_path(folder / "ca.pem")
    data: dict[str, Any] = {
        "server_name": "porter.localhost",
        "state": "state",
        "bans": "bans",
        "web": {"port": web_port, "public_url": "https://desk.example.org"},
        "homeserver": {"kind": "synapse", "url": synapse.url, "admin_token": admin_token},
        "smtp": {
            "host": "localhost",
            "port": mail_server.port,
            "username": "porter",
            "password": "s3cret",
            "from": "desk@example.org",
            "ca_file": "ca.pem",
        },
    }

    def write(**changes: Any) -> Path:
        for path, value in changes.items():
            section, _, key = path.partition("__")
            if key:
                data.setdefault(section, {})[key] = value
            else:
                data[section] = value
        data["homeserver"].setdefault("timeout", "1m")
        (folder / "config.yaml").write_text(yaml.safe_dump(data))
        return folder / "config.yaml"

    return write


def texts(found: list[Finding]) -> list[str]:
    return [str(each) for each in found if each.text != NO_BOT]


async def test_a_desk_in_order_has_nothing_but_a_warning_that_it_has_no_room(write: Write) -> None:
    config = write()
    before = tree(config.parent)
    assert await check(config) == [Finding(NO_BOT, is_warning=True)]
    assert tree(config.parent) == before


@pytest.mark.parametrize(
    ("review", "is_told"),
    [({"all": True}, True), ({"after": "3 per 1d"}, True), ({"rejection_mail": True}, False)],
)
async def test_a_look_without_a_room_is_a_warning(
    write: Write, review: dict[str, Any], is_told: bool
) -> None:
    found = await check(write(review=review))
    assert all(each.is_warning for each in found)
    assert [each for each in texts(found) if each.startswith("warning: review: ")] == texts(found)
    assert bool(texts(found)) is is_told


async def test_mails_without_a_way_to_refuse_them_are_a_warning(write: Write) -> None:
    (found,) = texts(await check(write(web__public_url=None)))
    assert found.startswith("warning: web.public_url: not set, so no mail has the link")


@pytest.mark.parametrize(
    ("mode", "url", "is_told"),
    [
        ("strict", "http://desk.example.org", True),
        ("strict", "https://desk.example.org", False),
        ("strict", "http://localhost:8090", False),
        ("light", "http://desk.example.org", False),
    ],
)
async def test_a_check_that_no_browser_can_pass_is_told(
    write: Write, mode: str, url: str, is_told: bool
) -> None:
    found = texts(await check(write(web__public_url=url, registration={"human_check": mode})))
    told = "registration.human_check: strict lets nobody in at http://desk.example.org"
    assert [told in each for each in found] == [True] * is_told


async def test_a_look_with_a_room_is_no_warning(
    bot: dict[str, Any], write: Write, moderator: AsyncClient
) -> None:
    room = (await moderator.room_create(room_version="10")).room_id
    found = await check(write(bot=bot | {"room": room}, review={"all": True}))
    assert [each for each in found if each.text.startswith("review")] == []


async def test_a_refused_log_in_at_the_mail_server_is_told_without_the_password(
    write: Write,
) -> None:
    (said,) = texts(await check(write(smtp__password="wr0ng-pass")))
    assert said.startswith("smtp: The mail server localhost:")
    assert "refused our log-in: 535" in said
    assert said.endswith("smtp.username and smtp.password must be those that it knows")
    assert "wr0ng-pass" not in said


async def test_a_mail_server_that_is_away_is_told(write: Write) -> None:
    (said,) = texts(await check(write(smtp__port=free_port())))
    assert said.startswith("smtp: The mail server localhost:")
    assert "smtp.host, smtp.port and smtp.security must be the mail server's" in said


async def test_a_certificate_file_that_is_none_is_told(write: Write) -> None:
    config = write()
    (config.parent / "ca.pem").write_text("nothing")
    (said,) = texts(await check(config))
    assert (
        said == f"smtp.ca_file: {config.parent / 'ca.pem'} cannot be used (it holds no certificate)"
    )


async def test_a_homeserver_that_is_away_is_told_once(write: Write) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    bot = {"user": "@porter:x", "password": "hush", "room": "!room"}
    config = write(homeserver={"kind": "synapse", "url": url, "admin_token": "hush"}, bot=bot)
    (said,) = texts(await check(config))
    assert said.startswith(f"homeserver.url: {url} cannot be reached")
    assert not (config.parent / "state").exists()


async def test_something_else_at_the_address_is_told(write: Write) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        (said,) = texts(await check(write(homeserver__url=url)))
    assert f"{url} answered 200, but not as a homeserver does" in said


async def test_silence_all_around_is_told_in_time(write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        homeserver = {"kind": "synapse", "url": f"http://127.0.0.1:{port}", "admin_token": "x"}
        config = write(homeserver=homeserver, smtp__port=port, smtp__host="127.0.0.1")
        began = time.monotonic()
        found = texts(await check(config))
        assert time.monotonic() - began < 12
    assert [each.partition(":")[0] for each in found] == ["smtp", "homeserver.url"]
    assert "did not finish within 8 s" in found[0]
    assert "did not answer within 4 s" in found[1]


async def test_an_admin_token_is_tried(write: Write) -> None:
    secret = "syt_not_the_right_one"
    (said,) = texts(await check(write(homeserver__admin_token=secret)))
    assert said.startswith("homeserver.admin_token: ")
    assert "it must be an access token of a server admin" in said
    assert secret not in said


async def reader(stand: Stand) -> dict[str, Any]:
    """The homeserver's section for a server that reads its tokens from a file."""
    url = (await stand("conduwuit", "0.5.0-rc4")).url
    return {"kind": "conduwuit", "url": url, "token_file": "tokens/token"}


async def test_a_token_file_without_its_folder_is_told(write: Write, stand: Stand) -> None:
    config = write(homeserver=await reader(stand) | {"token_file": "absent/token"})
    (said,) = texts(await check(config))
    assert said.startswith("homeserver.token_file: the token file ")
    assert "its folder must be there and writable" in said


async def test_a_taken_port_is_a_warning_and_a_strange_host_a_fault(write: Write) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        found = await check(write(web__port=port))
    warning = next(each for each in found if each.text.startswith("web.port"))
    assert warning.is_warning
    assert f"127.0.0.1 port {port} is taken; if not by Porter itself" in warning.text
    (said,) = texts(await check(write(web__host="192.0.2.1")))
    assert said.startswith("web.port: cannot listen on 192.0.2.1")


async def test_every_file_of_the_operators_is_tried_and_told_together(write: Write) -> None:
    config = write(
        web__logo="logo.txt",
        web__favicon="absent.png",
        web__templates="pages",
        mail__templates="mails",
        smtp__port=free_port(),
    )
    folder = config.parent
    (folder / "pages").mkdir()
    (folder / "pages" / "desk.html").write_text("{% if %}")
    (folder / "mails").mkdir()
    (folder / "mails" / "token.txt").write_text("{{ nobody_knows }}")
    (folder / "bans").mkdir()
    (folder / "bans" / "ips.txt").write_text("192.0.2.1\nrubbish\n")
    (folder / "state").mkdir()
    (folder / "state" / "porter.db").write_text("this is no database")
    said = texts(await check(config))
    assert [each.split(": ")[0] for each in said] == [
        *("state", "bans", "web.logo", "web.favicon", "web.templates", "mail.templates", "smtp")
    ]
    assert "porter.db is no database" in said[0]
    assert "ips.txt, line 2: 'rubbish'" in said[1]
    assert "desk.html, line 1" in said[4]
    assert "nobody_knows" in said[5]


async def test_a_server_that_reads_no_token_file_and_is_open_to_all_is_told_of_all_at_once(
    write: Write, stand: Stand
) -> None:
    door = await stand("continuwuity", "26.8.0", flows=[[DUMMY]])
    config = write(homeserver=await reader(stand) | {"url": door.url})
    (config.parent / "tokens" / "token").write_text("\n")
    before = tree(config.parent)
    said = texts(await check(config))
    assert [each.partition(": ")[0] for each in said] == [
        *("homeserver.kind", "homeserver.token_file", "homeserver.url")
    ]
    assert "set kind: continuwuity with homeserver.admin_room" in said[0]
    assert "is empty, which opens some homeservers to all" in said[1]
    assert "lets people in without a token, for m.login.dummy" in said[2]
    assert door.went_too_far == []
    assert tree(config.parent) == before


async def test_a_synapse_behind_an_authentication_service_asks_for_its_kind(
    write: Write, stand: Stand
) -> None:
    door = await stand("synapse", "1.163.2", issuer="https://auth.example.org/")
    (said,) = texts(await check(write(homeserver__url=door.url)))
    assert "behind the authentication service https://auth.example.org/" in said
    assert "set kind: mas" in said


def behind(url: str, auth_url: str) -> dict[str, Any]:
    """The homeserver's section for a Synapse behind an authentication service."""
    client = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
    return {"kind": "mas", "url": url, "auth_url": auth_url} | client


async def test_an_authentication_service_in_order_has_no_faults(write: Write, stand: Stand) -> None:
    mas = Mas()
    await mas.start()
    door = await stand("synapse", "1.163.2", issuer=f"{mas.url}/")
    try:
        assert texts(await check(write(homeserver=behind(door.url, mas.url)))) == []
    finally:
        await mas.stop()


async def test_an_authentication_service_that_keeps_silent_is_told_in_time(
    write: Write, stand: Stand
) -> None:
    door = await stand("synapse", "1.163.2", issuer="https://auth.example.org/")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        (said,) = texts(await check(write(homeserver=behind(door.url, url))))
        assert time.monotonic() - began < 8
    assert said.startswith(f"homeserver: {url} did not answer within 4 s")


async def test_folders_that_cannot_be_written_are_told(
    write: Write, stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write(homeserver=await reader(stand))
    # Root may write everywhere, so the system's answer is played here.
    monkeypatch.setattr(os, "access", lambda *_: False)
    said = texts(await check(config))
    assert [each.split(": ")[0] for each in said] == ["state", "bans", "homeserver.token_file"]
    assert all("cannot be" in each for each in said)


async def test_a_ban_file_that_cannot_be_written_is_told(
    write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = write()
    bans = config.parent / "bans"
    bans.mkdir()
    (bans / "emails.txt").write_text("@spam.example\n")
    monkeypatch.setattr(os, "access", lambda path, _: Path(path).is_dir())
    (fault,) = texts(await check(config))
    assert fault.startswith("bans: ")
    assert fault.endswith("emails.txt cannot be written; give it to Porter's user")


# The room


@pytest.fixture
async def moderator(synapse: Synapse) -> AsyncIterator[AsyncClient]:
    name = f"check-mod-{secrets.token_hex(4)}"
    await synapse.register_user(name, "pass-word-1")
    client = AsyncClient(synapse.url, f"@{name}:porter.localhost")
    await client.login("pass-word-1")
    yield client
    await client.close()


@pytest.fixture
def bot(synapse: Synapse) -> Iterator[dict[str, Any]]:
    name = f"check-bot-{secrets.token_hex(4)}"
    asyncio.run(synapse.register_user(name, "bot-pass-word"))
    yield {"user": f"@{name}:porter.localhost", "password": "bot-pass-word"}


async def test_the_room_is_looked_at(
    bot: dict[str, Any], write: Write, moderator: AsyncClient
) -> None:
    room = (await moderator.room_create(room_version="10")).room_id
    config = write(bot=bot | {"room": room})
    assert texts(await check(config)) == [f"bot.room: {bot['user']} is not in {room}; invite it"]

    await moderator.room_invite(room, bot["user"])
    (invited,) = await check(config)
    assert invited.is_warning
    assert "joins when it starts" in invited.text

    client = AsyncClient(moderator.homeserver, bot["user"])
    await client.login("bot-pass-word")
    await client.join(room)
    await client.close()
    assert await check(config) == []

    state = await moderator.room_get_state_event(room, "m.room.power_levels")
    await moderator.room_put_state(
        room, "m.room.power_levels", state.content | {"events_default": 10}
    )
    (powerless,) = await check(config)
    assert not powerless.is_warning
    assert "may not send m.room.message there; raise its power level" in powerless.text


async def test_a_bot_that_cannot_log_in_is_told_without_its_password(
    bot: dict[str, Any], write: Write
) -> None:
    (said,) = texts(await check(write(bot=bot | {"room": "!x:y", "password": "wr0ng-pass"})))
    assert said.startswith("bot: The homeserver refused the log-in of @check-bot-")
    assert "wr0ng-pass" not in said


async def test_a_room_that_never_answers_is_told_in_time(
    bot: dict[str, Any], write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: object) -> None:
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr("bot.room.inspection.find", never)
    monkeypatch.setattr("bot.operator.surroundings._LIMIT", 1.0)
    (said,) = texts(await check(write(bot=bot | {"room": "!x:y"})))
    assert "did not answer about the room within 1 s" in said


def test_what_a_room_may_be_like_is_a_warning_and_what_stops_the_bot_a_fault() -> None:
    """The room's own sentences are told apart by their ends: this holds the two together."""
    open_to_all = Standing(
        levels={"users": {"@mod:elsewhere": 50}},
        memberships={"@porter:here": "join", "@mod:elsewhere": "join"},
        join_rule="public",
        world_readable=True,
    ).warnings("@porter:here", Rule(50))
    assert len(open_to_all) == 3
    assert all(any(sign in each for sign in _ROOM_WARNINGS) for each in open_to_all)
    useless = [
        *Standing().warnings("@porter:here", Rule(50)),
        *Standing(levels={"events_default": 50}, memberships={"@porter:here": "join"}).warnings(
            "@porter:here", Rule(50)
        ),
    ]
    assert len(useless) == 4
    assert not any(sign in each for each in useless for sign in _ROOM_WARNINGS)
