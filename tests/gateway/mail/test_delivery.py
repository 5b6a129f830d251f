"""Delivery to a real SMTP server with STARTTLS, AUTH and moods."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

from gateway.mail.delivery import DeliveryError, Mailer

AUTHORITY = trustme.CA()


class Line(SMTP):
    """One connection to the server, counted and kept at hand to be cut."""

    def __init__(self, server: "Server", **options: Any) -> None:
        super().__init__(server, hostname="mail.test", **options)
        self.server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.server.lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.server.lines.discard(self)


class Server:
    """The SMTP server of these tests. `answers` maps RCPT, DATA or MAIL to answers to give next."""

    def __init__(self, security: str = "starttls", utf8: bool = False) -> None:
        self.security, self.utf8 = security, utf8
        self.port = 0
        self.lines: set[Line] = set()
        self.connections = 0
        self.logins: list[bytes] = []
        self.mails: list[tuple[list[str], bytes]] = []
        self.answers: dict[str, list[str]] = {}
        self.pause = 0.0
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        AUTHORITY.issue_cert("localhost").configure_cert(self.context)

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        tls = self.context if self.security == "tls" else None
        self._server = await loop.create_server(self._line, "127.0.0.1", self.port, ssl=tls)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        await self.cut()

    async def cut(self) -> None:
        while self.lines:
            for line in tuple(self.lines):
                if line.transport is not None:
                    line.transport.abort()
            await asyncio.sleep(0.01)

    def _line(self) -> Line:
        self.connections += 1
        starttls = self.security == "starttls"
        return Line(
            self,
            tls_context=self.context if starttls else None,
            require_starttls=starttls,
            auth_required=starttls,
            auth_require_tls=starttls,
            authenticator=self._authenticate,
            enable_SMTPUTF8=self.utf8,
        )

    def _authenticate(self, server: Any, session: Any, envelope: Any, kind: str, data: Any) -> Any:
        assert isinstance(data, LoginPassword)
        self.logins.append(data.login)
        # "handled" would say that the answer, a 535, was sent already.
        return AuthResult(success=data == LoginPassword(b"porter", b"s3cret"), handled=False)

    def _answer(self, command: str) -> str | None:
        waiting = self.answers.get(command)
        return waiting.pop(0) if waiting else None

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self._answer("MAIL"):
            return answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self._answer("RCPT"):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.pause)
        if answer := self._answer("DATA"):
            return answer
        self.mails.append((list(envelope.rcpt_tos), envelope.content))
        return "250 OK"


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def mailer(tmp_path: Path) -> AsyncIterator[Callable[..., Mailer]]:
    """Makes mailers for a server, and closes them after the test."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    made: list[Mailer] = []

    def make(server: Server, **changes: Any) -> Mailer:
        settings: dict[str, Any] = {
            "host": "localhost",
            "port": server.port,
            "security": server.security,
            "username": "porter",
            "password": "s3cret",
            "sender": "The desk <desk@example.org>",
            "timeout": timedelta(seconds=5),
            "connections": 2,
            "ca_file": tmp_path / "ca.pem",
        }
        made.append(Mailer(**(settings | changes)))
        return made[-1]

    yield make
    for each in made:
        await each.close()
    await asyncio.sleep(0.02)  # TLS connections close in a few turns of the loop


def letter(to: str = "ann@example.net") -> EmailMessage:
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"], mail["To"], mail["Subject"] = "The desk <desk@example.org>", to, "Hello"
    mail.set_content("Your token\n.\n.. with dots\n")
    return mail


@pytest.mark.parametrize("security", ["starttls", "tls", "none"])
async def test_a_mail_arrives_whole(mailer: Callable[..., Mailer], security: str) -> None:
    server = Server(security)
    await server.start()
    try:
        sender = mailer(server)
        await sender.send(letter())
        await sender.close()
    finally:
        await server.stop()
    ((recipients, content),) = server.mails
    assert recipients == ["ann@example.net"]
    assert b"Your token\r\n.\r\n.. with dots\r\n" in content
    assert server.logins == [b"porter"]


async def test_a_connection_serves_many_mails(server: Server, mailer: Any) -> None:
    sender = mailer(server)
    for _ in range(5):
        await sender.send(letter())
    assert (len(server.mails), server.connections, len(server.logins)) == (5, 1, 1)


async def test_no_more_connections_than_allowed(server: Server, mailer: Any) -> None:
    server.pause = 0.02
    sender = mailer(server, connections=3)
    await asyncio.gather(*(sender.send(letter()) for _ in range(12)))
    assert (len(server.mails), server.connections) == (12, 3)


async def test_waiting_for_a_turn_is_not_held_against_a_mail(server: Server, mailer: Any) -> None:
    server.pause = 0.2
    sender = mailer(server, connections=1, timeout=timedelta(seconds=0.8))
    await asyncio.gather(*(sender.send(letter()) for _ in range(6)))
    assert len(server.mails) == 6


async def test_a_cut_connection_is_replaced(server: Server, mailer: Any) -> None:
    sender = mailer(server)
    await sender.send(letter())
    await server.cut()
    await sender.send(letter())
    assert (len(server.mails), server.connections) == (2, 2)


async def test_a_server_that_restarted_is_found_again(server: Server, mailer: Any) -> None:
    sender = mailer(server)
    await sender.send(letter())
    await server.stop()
    with pytest.raises(DeliveryError, match="cannot be used") as down:
        await sender.send(letter())
    assert not down.value.permanent
    await server.start()
    await sender.send(letter())
    assert len(server.mails) == 2


async def test_a_kept_connection_told_to_go_is_replaced(server: Server, mailer: Any) -> None:
    sender = mailer(server)
    await sender.send(letter())
    server.answers["MAIL"] = ["421 mail.test closing, idle too long"]
    await sender.send(letter())
    assert (len(server.mails), server.connections) == (2, 2)


@pytest.mark.parametrize("command", ["RCPT", "DATA"])
@pytest.mark.parametrize(
    ("answer", "permanent"),
    [
        ("451 4.7.1 greylisted", False),
        ("421 4.3.2 closing", False),
        ("550 5.1.1 no such user", True),
        ("554 5.7.1 spam", True),
    ],
)
async def test_the_answer_says_whether_to_try_again(
    server: Server, mailer: Any, command: str, answer: str, permanent: bool
) -> None:
    sender = mailer(server)
    server.answers[command] = [answer]
    with pytest.raises(DeliveryError, match=answer.replace(".", r"\.")) as refusal:
        await sender.send(letter())
    assert refusal.value.permanent is permanent
    await sender.send(letter())
    assert len(server.mails) == 1  # and nothing of the refused one is left in the envelope
    assert server.mails[0][0] == ["ann@example.net"]


async def test_a_refused_sender_is_our_fault_and_not_the_mails(server: Server, mailer: Any) -> None:
    server.answers["MAIL"] = ["553 5.7.1 not yours"]
    with pytest.raises(DeliveryError, match=r"sender desk@example\.org: 553") as refusal:
        await mailer(server).send(letter())
    assert not refusal.value.permanent


async def test_a_refused_log_in_is_said_without_the_password(server: Server, mailer: Any) -> None:
    sender = mailer(server, password="wr0ng-secret")
    for attempt in (sender.check, lambda: sender.send(letter())):
        with pytest.raises(DeliveryError, match="refused our log-in: 535") as refusal:
            await attempt()
        assert not refusal.value.permanent
        assert "wr0ng" not in str(refusal.value)
    assert server.mails == []


async def test_check_logs_in_and_mails_nothing(server: Server, mailer: Any) -> None:
    sender = mailer(server)
    await sender.check()
    assert (server.logins, server.mails) == ([b"porter"], [])
    await sender.send(letter())
    assert server.connections == 1


async def test_an_untrusted_certificate_gets_no_password(server: Server, mailer: Any) -> None:
    with pytest.raises(DeliveryError, match=r"(?i)certificate") as refusal:
        await mailer(server, ca_file=None).send(letter())
    assert not refusal.value.permanent
    assert server.logins == []


async def test_starttls_stripped_on_the_way_gets_no_password(mailer: Any) -> None:
    server = Server("none")
    await server.start()
    try:
        with pytest.raises(DeliveryError, match="STARTTLS"):
            await mailer(server, security="starttls").send(letter())
        assert server.logins == []
    finally:
        await server.stop()


async def test_a_tarpit_is_left_when_the_time_is_over(mailer: Any) -> None:
    """It sends a byte now and then, so that no wait for a single answer ever runs out."""

    async def tarpit(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                writer.write(b"220-patience\r\n")
                await writer.drain()
                await asyncio.sleep(0.05)
        except ConnectionError:
            writer.close()

    pit = await asyncio.start_server(tarpit, "127.0.0.1", 0)
    server = Server("none")
    server.port = pit.sockets[0].getsockname()[1]
    sender = mailer(server, timeout=timedelta(seconds=0.5))
    began = time.monotonic()
    with pytest.raises(DeliveryError, match=r"did not finish within 0\.5 s") as refusal:
        await sender.send(letter())
    assert 0.4 < time.monotonic() - began < 2
    assert not refusal.value.permanent
    pit.close()
    await asyncio.sleep(0.15)


async def test_a_slow_answer_to_a_mail_ends_in_time_and_heals(server: Server, mailer: Any) -> None:
    sender = mailer(server, timeout=timedelta(seconds=0.5))
    await sender.check()
    server.pause = 3
    with pytest.raises(DeliveryError, match="did not finish within"):
        await sender.send(letter())
    server.pause = 0
    await sender.send(letter())
    assert server.connections == 2


async def test_a_mail_to_two_addresses_goes_to_neither(server: Server, mailer: Any) -> None:
    with pytest.raises(DeliveryError, match="exactly one address") as refusal:
        await mailer(server).send(letter("ann@example.net, eve@example.net"))
    assert refusal.value.permanent
    assert server.connections == 0


async def test_what_a_server_says_cannot_forge_lines(server: Server, mailer: Any) -> None:
    server.answers["RCPT"] = ["550-first\r\n550 second \x1b[31m" + "x" * 400]
    with pytest.raises(DeliveryError) as refusal:
        await mailer(server).send(letter())
    assert str(refusal.value).isprintable()
    assert len(str(refusal.value)) < 260


@pytest.mark.parametrize("utf8", [True, False])
async def test_letters_beyond_ascii_need_a_server_that_takes_them(mailer: Any, utf8: bool) -> None:
    server = Server(utf8=utf8)
    await server.start()
    sender = mailer(server)
    try:
        if utf8:
            await sender.send(letter("jürgen@example.net"))
            assert server.mails[0][0] == ["jürgen@example.net"]
        else:
            with pytest.raises(DeliveryError, match="beyond ASCII") as refusal:
                await sender.send(letter("jürgen@example.net"))
            assert refusal.value.permanent
        await sender.close()
    finally:
        await server.stop()
