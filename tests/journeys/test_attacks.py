"""An attacker over HTTP: the desk refuses, stays well, and goes on to answer everybody else."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.journeys.conftest import LIMIT, House, OpenHouse, Porter, Post, until

CROWD = 1000


@pytest.fixture
async def house(open_file_house: OpenHouse) -> House:
    return await open_file_house(
        web={"trusted_proxies": [], "connections": 5000, "connections_each": 5000},
        registration={"limits": {"network": "400 per 1h"}},
    )


async def send(house: House, text: bytes, limit: float = LIMIT) -> bytes:
    """Send bytes as they are; everything that comes back until the desk hangs up."""
    async with asyncio.timeout(limit):
        reader, writer = await asyncio.open_connection("127.0.0.1", house.config["web"]["port"])
        try:
            writer.write(text)
            return await reader.read()
        finally:
            writer.transport.abort()


def post_of(body: bytes, kind: str = "application/x-www-form-urlencoded", *head: str) -> bytes:
    lines = [
        "POST /register HTTP/1.1",
        "Host: localhost",
        "Accept: application/json",
        "Connection: close",
        f"Content-Type: {kind}",
        f"Content-Length: {len(body)}",
        *head,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


async def is_well(house: House, gateway: Porter) -> None:
    began = time.monotonic()
    assert (await house.look()).status == 200
    assert (await house.look("/healthz")).text == "ok"
    assert (await house.look("/readyz")).json()["ready"] is True
    assert time.monotonic() - began < 5
    assert not gateway.saw("part_fell")
    assert "Traceback" not in gateway.said


async def test_nothing_typed_or_forged_gets_anywhere(
    house: House, post: Post, someone: Callable[[], str]
) -> None:
    gateway = await house.serve()
    name = someone()
    for evil in (
        "a@example.net, b@example.net",
        "a@example.net;b@example.net",
        "a@example.net b@example.net",
        "a@example.net\r\nBcc: b@example.net",
        "a@example.net\nBcc: b@example.net",
        "a@example.net\x00",
        "a@example.net>\r\nRCPT TO:<b@example.net",
        '"a@example.net\r\nBcc: b"@example.net',
        "=?UTF-8?Q?a=0ABcc:_b=40example.net?= <a@example.net>",
        "<a@example.net>",
        "Ann <a@example.net>",
        "a@[127.0.0.1]",
        "a" * 10_000 + "@example.net",
    ):
        reply = await house.ask(name, evil)
        assert (reply.status, reply.codes) == (422, ["email_malformed"]), evil
    for evil in (
        f"{name}\r\nBcc: b@example.net",
        f"{name}\n",
        f"{name}\r\n\r\nhello",
        "=?UTF-8?Q?=0ABcc:_b=40example.net?=",
        f"<script>{name}</script>",
        f"{name}\u202e",
        f"{name}\x00",
        f"{name}:evil.example",
        "../../admin",
        "n" * 10_000,
    ):
        reply = await house.ask(evil, f"{name}@example.net")
        # A line break after a name is no part of it.
        assert reply.status == (200 if evil.strip() == name else 422), evil
        page = await house.ask(evil, f"{name}@example.net", html=True)
        assert "<script>" not in page.text
        assert "Bcc" not in str(page.headers)
    mail = await post.mail_to(f"{name}@example.net")
    assert sorted(set(mail.keys())) == sorted(mail.keys()), "a header stands there twice"
    assert mail["Bcc"] is None
    assert [each["To"] for each in post.mails] == [f"{name}@example.net"]
    await forge(house, someone)
    await is_well(house, gateway)


async def forge(house: House, someone: Callable[[], str]) -> None:
    # Whatever X-Forwarded-For a stranger writes, he is himself.
    for forged in ("203.0.113.7", "127.0.0.1, 203.0.113.7", "::1", "x" * 4000):
        name = someone()
        head = {"X-Forwarded-For": forged}
        assert (await house.ask(name, f"{name}@example.net", **head)).status == 200
    assert {ip for (ip,) in house.rows("SELECT ip FROM registrations")} == {"127.0.0.1"}
    # Another site's form.
    for head in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        name = someone()
        assert (await house.ask(name, f"{name}@example.net", **head)).status == 403
        assert house.statuses(f"{name}@example.net") == []
    # Ways out of the folder.
    (house.folder / "secret.css").write_text("secret")
    for path in (
        "/static/../secret.css",
        "/static/..%2fsecret.css",
        "/static/%2e%2e/%2e%2e/secrets/smtp",
        "/static/%2e%2e%2f%2e%2e%2fconfig-0.yaml",
        "/static//etc/passwd",
        "/static/..%5c..%5csecret.css",
        "/static/%00",
        "/static/" + "a" * 5000,
        "/../secrets/smtp",
    ):
        answer = await send(
            house, f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )
        assert answer.split(b" ", 2)[1] in (b"400", b"404"), path
        assert b"secret\n" not in answer
        assert b"root:" not in answer


async def throw_rubbish(house: House) -> None:
    # Bodies without measure, and no HTTP at all.
    form = "application/x-www-form-urlencoded"
    head = "POST /register HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n"
    endless = f"{head}Content-Type: {form}\r\n\r\n".encode() + b"4000\r\n" + b"a" * 0x4000 + b"\r\n"
    for text, wanted in (
        (post_of(b"a" * 5_000_000), b"413"),
        (post_of(b"")[:-2].replace(b"Length: 0", b"Length: 99999999999") + b"\r\n", b"413"),
        (endless + b"4000\r\n" + b"a" * 0x4000, b"413"),
        (post_of(b"[" * 15_000, "application/json"), b"400"),
        (post_of(b"\xff\xfe", "application/json"), b"400"),
        (post_of(b"a=b&" * 4_000), b"4"),
        (post_of(b"--x\r\n" * 3_000, "multipart/form-data; boundary=x"), b"4"),
        (post_of(b"x", "text/plain"), b"415"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000 + b"\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 100_000 + b"\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 9, b"400"),
        (b"BREW / HTCPCP/1.0\r\n\r\n", b"4"),
        (os.urandom(4096).replace(b"\r", b"") + b"\r\n\r\n", b"400"),
    ):
        try:
            answer = await send(house, text)
        except ConnectionError:
            continue  # it hung up while we were still talking: as good as an answer
        assert answer.split(b" ", 2)[1].startswith(wanted), (text[:60], answer[:200])
        assert b"Traceback" not in answer
        assert b"aiohttp" not in answer
    # Many requests at once on one connection, and one that smuggles another in its body.
    get = b"GET /api/time HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = await send(
        house, get * 199 + get.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    )
    assert answer.count(b"HTTP/1.1 200 ") == 200
    both = post_of(b"0\r\n\r\n" + get, form, "Transfer-Encoding: chunked")
    answer = await send(house, both)
    assert answer.split(b" ", 2)[1] == b"400"
    assert b"utc_time" not in answer


@asynccontextmanager
async def crowd(house: House, words: bytes) -> AsyncIterator[list[socket.socket]]:
    """A thousand connections that have said some words and say no more."""
    connections = []
    try:
        for number in range(CROWD):
            connections.append(socket.create_connection(("127.0.0.1", house.config["web"]["port"])))
            connections[-1].sendall(words)
            if number % 50 == 0:
                await asyncio.sleep(0)
        yield connections
    finally:
        for each in connections:
            each.close()


async def test_a_crowd_stands_there_and_somebody_throws_rubbish(
    house: House, post: Post, someone: Callable[[], str]
) -> None:
    gateway = await house.serve()
    memory = Path(f"/proc/{gateway.pid}/statm")
    before = int(memory.read_text().split()[1])
    half = post_of(b"{" * 100, "application/json")[:-50]
    async with (
        crowd(house, b""),
        crowd(house, b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "),
        crowd(house, half) as talking,
    ):
        files = len(list(Path(f"/proc/{gateway.pid}/fd").iterdir()))
        assert files > 2 * CROWD
        for _ in range(5):
            name = someone()
            began = time.monotonic()
            assert (await house.ask(name, f"{name}@example.net")).status == 200
            assert time.monotonic() - began < 2
            await post.mail_to(f"{name}@example.net")
        await is_well(house, gateway)
        pages = int(memory.read_text().split()[1]) - before
        assert pages * os.sysconf("SC_PAGE_SIZE") < 300 << 20
        await throw_rubbish(house)
        # Who does not end his form within ten seconds is sent away.
        talking[0].settimeout(20)
        answer = await asyncio.to_thread(talking[0].recv, 65536)
        assert answer.startswith(b"HTTP/1.1 408 ")
    await is_well(house, gateway)
    await until(lambda: len(list(Path(f"/proc/{gateway.pid}/fd").iterdir())) < 100)
    assert await gateway.stop() == 0
    assert "Traceback" not in gateway.said
