"""The whole desk: what cannot be used is said in a sentence, and everything is closed again."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from bot.demo.applicant import Applicant
from bot.demo.ports import free_port
from gateway.app import open_desk, open_page, run_background
from gateway.clock import utc_now
from gateway.desk import Desk
from gateway.homeserver.token_file import TokenFile
from gateway.settings.config import ConfigError
from gateway.settings.settings import Settings
from gateway.store import alerts, health, imports, registrations
from gateway.store.registrations import Request, Status
from gateway.stories.human import form_token
from tests.gateway.conftest import MailServer, text_of, until
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET, Mas
from tests.stand_ins.name_server import NameServer


def threads_of_ours() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith(("writer", "reader"))]


@pytest.fixture(autouse=True)
async def _nothing_is_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    assert threads_of_ours() == []
    assert asyncio.all_tasks() <= before | {asyncio.current_task()}


@pytest.fixture
async def homeserver() -> AsyncIterator[str]:
    """A stand-in on which every name is free; returns its address."""

    async def available(request: web.Request) -> web.Response:
        return web.json_response({"available": True})

    app = web.Application()
    app.router.add_get("/_matrix/client/v3/register/available", available)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.fixture
def make(
    make_settings: Callable[..., Settings], tmp_path: Path, homeserver: str
) -> Callable[..., Settings]:
    """Settings of a desk with a token file and a free port."""

    def make_them(**changes: Any) -> Settings:
        base = {
            "homeserver": {
                "kind": "token_file",
                "url": homeserver,
                "token_file": "token",
                "admin_token": None,
                "timeout": "1s",
            },
            "tokens": {"mode": "shared"},
            "web": {"port": free_port()},
        }
        return make_settings(**(base | changes))

    return make_them


async def fault_of(settings: Settings) -> str:
    with pytest.raises(ConfigError) as refusal:
        async with open_desk(settings):
            pytest.fail("the desk opened")
    (fault,) = refusal.value.faults
    assert "\n" not in fault and "sqlalche.me" not in fault
    return fault


@asynccontextmanager
async def at_work(settings: Settings) -> AsyncIterator[tuple[Desk, str]]:
    """A desk that serves its page, and the page's address."""
    async with open_desk(settings) as desk:
        page = await open_page(desk)
        work = asyncio.create_task(run_background(desk))
        try:
            yield desk, page.url
        finally:
            await page.stop()
            work.cancel()
            with pytest.raises(asyncio.CancelledError):
                await work


async def ask(url: str, name: str, email: str) -> int:
    form = {"requested_username": name, "email": email}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{url}/register", data=form) as answer,
    ):
        await answer.read()
        return answer.status


async def test_a_request_over_the_page_ends_in_a_mail(make, post, tmp_path):
    async with at_work(make()) as (_, url):
        assert await ask(url, "ann", "ann@example.net") == 200
        await until(lambda: arrived(post, 1), 20)
    (token,) = TokenFile(tmp_path / "token").values()
    assert token in text_of(post.mails[0])


async def test_a_request_whose_domain_takes_no_mail_waits_for_a_person(make, post):
    dns = NameServer()
    dns.tell("example.net", "MX", "10 mx.example.net.")
    await dns.start()
    bot = {"user": "@porter:example.org", "password": "hush", "room": "!mods:example.org"}
    settings = make(addresses={"mx": True, "resolver": f"127.0.0.1:{dns.port}"}, bot=bot)
    async with at_work(settings) as (desk, url):
        assert await ask(url, "eve", "eve@nowhere.example") == 200
        assert await ask(url, "ann", "ann@example.net") == 200
        await until(lambda: arrived(post, 1), 20)
        await until(lambda: desk.database.read(registrations.how_many_wait), 20)
        (waiting,) = await desk.database.read(lambda c: registrations.waiting(c, 9))
    assert waiting.name == "eve" and [mail["To"] for mail in post.mails] == ["ann@example.net"]
    await dns.stop()


async def test_programs_prove_what_browsers_prove(make):
    settings = make(registration={"human_check": "light"})
    async with at_work(settings) as (desk, url), aiohttp.ClientSession() as session:

        async def send(name: str, **more: str) -> tuple[int, list[str]]:
            form = {"requested_username": name, "email": f"{name}@example.net", **more}
            async with session.post(f"{url}/register", json=form) as answer:
                told = await answer.json()
                return answer.status, [each["code"] for each in told.get("errors", [])]

        assert await send("ann") == (400, ["not_proven"])
        ann = Applicant(session, url, "", "203.0.113.7")
        assert (await ann.ask("ann", "ann@example.net")).status == 200
        async with session.get(url, headers={"Accept": "application/json"}) as page:
            token = (await page.json())["form_token"]
        assert form_token.read(token, desk.keyring, utc_now() + timedelta(seconds=3))
        waited = form_token.make(desk.keyring, utc_now() - timedelta(seconds=3))
        assert await send("bob", form_token=waited) == (200, [])
        rows = await desk.database.read(lambda c: [*registrations.every(c)])
    assert [each.proof for each in rows] == [None, "work", "form"]


async def arrived(post: MailServer, count: int) -> bool:
    return len(post.mails) >= count


async def all_mailed(desk: Desk) -> bool:
    found = await desk.database.read(lambda c: [*registrations.every(c)])
    return {each.status for each in found} == {Status.MAILED}


async def test_a_request_ends_in_an_account_of_an_authentication_service(make, post, homeserver):
    service = Mas()
    await service.start()
    mas = {
        "kind": "mas",
        "url": homeserver,
        "admin_token": None,
        "auth_url": service.url,
        "client_id": CLIENT_ID,
        "client_secret": CLIENT_SECRET,
    }
    settings = make(homeserver=mas, tokens={"mode": None})

    async def is_registered() -> bool:
        found = await desk.database.read(lambda c: [*registrations.every(c)])
        return {each.name: each.status for each in found}["ann"] == Status.REGISTERED

    try:
        service.add_user("Bob")
        async with at_work(settings) as (desk, url):
            assert await ask(url, "bob", "bob@example.net") == 409
            assert await ask(url, "ann", "ann@example.net") == 200
            await until(lambda: arrived(post, 1), 20)
        (token,) = service.valid()
        assert token in text_of(post.mails[0])
        assert service.open_account("ann", token) and not service.open_account("eve", token)
        async with at_work(settings) as (desk, _):  # the watcher looks when a desk opens
            await until(is_registered, 20)
            await until(lambda: is_revoked(service, token), 20)
    finally:
        await service.stop()


async def is_revoked(service: Mas, token: str) -> bool:
    return all(
        each["revoked_at"] is not None for each in service.tokens.values() if each["token"] == token
    )


async def test_two_desks_on_one_state_mail_each_applicant_once(make, post):
    limits = {"registration": {"limits": {"network": None}}}
    async with at_work(make(**limits)) as (_, one), at_work(make(**limits)) as (desk, two):
        told = [ask((one, two)[n % 2], f"n{n}x", f"n{n}@example.net") for n in range(20)]
        assert await asyncio.gather(*told) == [200] * 20
        await until(lambda: arrived(post, 20), 20)
        await until(lambda: all_mailed(desk), 20)
    assert len({mail["To"] for mail in post.mails}) == len(post.mails) == 20


async def test_a_state_folder_that_is_none(make, tmp_path):
    (tmp_path / "state").write_text("in the way")
    assert "state" in await fault_of(make())


async def test_a_database_that_is_none(make, tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "porter.db").write_bytes(b"not a database at all" * 500)
    assert "porter.db cannot be used (file is not a database)" in await fault_of(make())


async def test_a_folder_where_the_database_should_be(make, tmp_path):
    (tmp_path / "state" / "porter.db").mkdir(parents=True)
    assert "porter.db" in await fault_of(make())


async def test_a_database_of_a_newer_porter(make, tmp_path):
    async with open_desk(make()):
        pass
    database = sqlite3.connect(tmp_path / "state" / "porter.db")
    database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.commit()
    database.close()
    assert "newer version of Porter" in await fault_of(make())


async def test_a_ban_folder_that_is_none(make, tmp_path):
    (tmp_path / "bans").write_text("in the way")
    assert await fault_of(make()) == f"{tmp_path}/bans: cannot be used (File exists)"


async def test_a_ban_file_that_is_a_folder(make, tmp_path):
    (tmp_path / "bans" / "ips.txt").mkdir(parents=True)
    fault = await fault_of(make())
    assert fault == f"{tmp_path}/bans/ips.txt: cannot be used (Is a directory)"


@pytest.mark.parametrize(
    ("template", "named"),
    [(None, "does not exist"), ("{% if %}", "line 1"), ("{{ registration_tokn }}", "tokn")],
)
async def test_a_mail_template_that_cannot_be_used(make, tmp_path, template, named):
    if template is not None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own" / "token.txt").write_text(template)
    fault = await fault_of(make(mail={"templates": "own"}))
    assert fault.startswith("mail.templates: ") and named in fault


@pytest.mark.parametrize(
    ("content", "reason"), [(None, "No such file"), ("no PEM", "it holds no certificate")]
)
async def test_a_certificate_file_that_cannot_be_used(make, tmp_path, content, reason):
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    fault = await fault_of(make(smtp={"security": "starttls", "ca_file": "ca.pem"}))
    assert fault.startswith(f"smtp.ca_file: {tmp_path}/ca.pem cannot be used ({reason}")


async def test_a_port_that_is_taken(make):
    settings = make()
    async with at_work(settings), open_desk(settings) as second:
        with pytest.raises(ConfigError, match=r"web\.port"):
            await open_page(second)


async def test_everything_is_closed_when_the_work_inside_falls(make):
    with pytest.raises(RuntimeError, match="fell"):
        async with open_desk(make()) as desk:
            await desk.opening()
            raise RuntimeError("fell")
    assert threads_of_ours() == []


async def test_a_downtime_closes_the_page_and_a_token_for_each_has_none(make, make_settings):
    downtime = {"mode": "shared", "rotation": "* * * * *", "downtime": "60s"}
    async with open_desk(make(tokens=downtime)) as desk:
        assert not (await desk.opening()).is_open
    each = make_settings(tokens=downtime | {"mode": "per_applicant"})
    async with open_desk(each) as desk:
        assert (await desk.opening()).is_open


async def test_a_database_that_cannot_be_written_is_a_fault(make, monkeypatch):
    monkeypatch.setattr("gateway.store.database._BUSY", 0.1)
    settings = make()
    async with open_desk(settings) as desk:
        assert await desk.faults() == []
        other = sqlite3.connect(desk.database.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        assert await desk.faults() == ["the database cannot be written: database is locked"]
        other.execute("ROLLBACK")
        other.close()
        assert await desk.faults() == []


async def test_a_bad_ban_line_is_told_and_an_expired_ban_goes(make, tmp_path):
    (tmp_path / "bans").mkdir()
    (tmp_path / "bans" / "ips.txt").write_text(
        "203.0.113.0/24\nnonsense\n198.51.100.7  # until 2020-01-01T00:00Z\n"
    )
    async with open_desk(make()) as desk:
        watching = asyncio.create_task(desk.ban_watch.run())

        async def told() -> bool:
            return bool(await desk.database.read(lambda c: alerts.pending(c, desk.clock())))

        async def gone() -> bool:
            return "198.51" not in (tmp_path / "bans" / "ips.txt").read_text()

        await until(told)
        await until(gone)
        watching.cancel()
        with pytest.raises(asyncio.CancelledError):
            await watching
        (alert,) = await desk.database.read(lambda c: alerts.pending(c, desk.clock()))
        assert "ips.txt, line 2" in alert.text
        assert alert.text.startswith("Ban files: `") and alert.text.endswith("`")
    assert (tmp_path / "bans" / "ips.txt").read_text() == "203.0.113.0/24\nnonsense\n"


async def test_a_desk_at_work_tells_when_its_mail_server_goes_and_comes(make, post, monkeypatch):
    monkeypatch.setattr("gateway.stories.vigil.EVERY", 0.05)
    monkeypatch.setattr("gateway.stories.vigil._MAIL_REST", 0.0)
    async with at_work(make(alerts={"down_after": "0s"})) as (desk, _):

        async def stands(is_up: bool) -> bool:
            found = await desk.database.read(lambda c: health.recall(c, "smtp"))
            return found is not None and found.is_up is is_up

        await until(lambda: stands(True), 20)
        await post.stop()
        await desk.mailer.close()
        await until(lambda: stands(False), 20)
        await post.start()
        await until(lambda: stands(True), 20)
        told = await desk.database.read(lambda c: alerts.pending(c, desk.clock()))
        (alert,) = [each for each in told if each.cause == "smtp down"]
        assert alert.ended_at is not None and "can be used again" in alert.text


async def test_a_desk_at_work_lets_go_of_old_addresses_by_itself(make):
    settings = make()
    long_ago = utc_now() - timedelta(days=400)
    request = Request("ann", "ann@x.org", "ann@x.org", "203.0.113.7", "203.0.113.0/24", "en")
    async with open_desk(settings) as desk:
        take_over = partial(imports.take_over, request=request, at=long_ago, held_until=long_ago)
        assert await desk.database.write(take_over)
    async with at_work(settings) as (desk, _):

        async def is_blank() -> bool:
            row = await desk.database.read(lambda c: registrations.get(c, 1))
            return row is not None and (row.email, row.ip, row.network) == ("", "", "")

        await until(is_blank, 20)
        # An import of the older desk, carried out once more, does not bring it back.
        assert not await desk.database.write(take_over)


async def test_what_an_archive_left_open_is_closed_at_the_start(make, capsys):
    settings = make()
    async with open_desk(settings):
        pass
    database = settings.state / "porter.db"
    settings.state.chmod(0o755)
    database.chmod(0o644)
    async with open_desk(settings):
        assert [each.stat().st_mode & 0o777 for each in (settings.state, database)] == [
            *(0o700, 0o600)
        ]
    assert capsys.readouterr().out.count("closed_to_others") == 1
