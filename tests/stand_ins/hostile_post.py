"""A mail server that does what it likes: it speaks SMTP by the letter until a fault comes.

A fault befalls one step of a connection, in one way. Steps are "connect", "greeting", "ehlo",
"starttls", "handshake", "auth", "mail", "rcpt", "data" (before the mail), "half" (in the middle of
it), "dot" (after its final dot, when it has been taken), "rset" and "quit".
"""

import asyncio
import base64
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default

import trustme

STEPS = ("greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "dot")
WAYS = ("cut", "silence", "tarpit", "endless", "flood", "garbage", "nul", "busy")
ONCE = {  # said instead of the right answer
    "garbage": b"\xff\xfe\x00 no SMTP at all\r\n",
    "nul": b"\x00\x00\x00\x00\r\n",
    "busy": b"421 4.3.2 mail.test closes, try later\r\n",
}
DRIP = 0.05  # seconds between two bytes of a tarpit


@dataclass(frozen=True)
class Fault:
    """What goes wrong: "cut", "silence", "tarpit" (an answer that drips and never ends), "endless"
    (lines without end), "flood" (one line without end), one of `ONCE`, "late" (the right answer
    after `seconds`), or "say" (the `words` instead of it, and the connection goes on)."""

    step: str
    way: str
    words: str = ""
    seconds: float = 0.0


class HostilePost:
    """The server. `faults` befall the connections to come, one each, and `usual` all others, also
    those that are open."""

    def __init__(self, authority: trustme.CA, password: str, *, utf8: bool = False) -> None:
        self.password, self.utf8 = password, utf8
        self.offers_tls = True
        self.hangs_up = False  # after each mail, so that each attempt is a connection
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("localhost").configure_cert(self.context)
        self.faults: deque[Fault | None] = deque()
        self.usual: Fault | None = None
        self.port = 0
        self.connections = 0
        self.open: set[asyncio.StreamWriter] = set()
        self.heard: list[str] = []  # all commands
        self.passwords: list[str] = []
        self.mails: list[EmailMessage] = []  # that it took, whatever it said of them
        self.ended = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on loopback, on the port of before if there was one."""
        self.ended.clear()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Listen no more, and cut what is open."""
        self.ended.set()
        if self._server is not None:
            self._server.close()
            self._server = None
        while self.open:
            for writer in tuple(self.open):
                writer.transport.abort()
            await asyncio.sleep(0.01)

    def to(self, address: str) -> list[EmailMessage]:
        """The mails it took for somebody."""
        return [mail for mail in self.mails if mail["To"] == address]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open.add(writer)
        fault = self.faults.popleft() if self.faults else None
        try:
            with suppress(ConnectionError, ssl.SSLError, asyncio.IncompleteReadError):
                await _Line(self, fault, reader, writer).speak()
        finally:
            writer.transport.abort()
            self.open.discard(writer)


class _End(ConnectionError):
    """The connection is over."""


class _Line:
    def __init__(
        self,
        post: HostilePost,
        fault: Fault | None,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._post, self._own_fault = post, fault
        self._reader, self._writer = reader, writer
        self._is_tls = self._knows_us = False
        self._recipient = ""

    @property
    def _fault(self) -> Fault | None:
        return self._own_fault or self._post.usual

    async def speak(self) -> None:
        """The whole conversation."""
        if self._fault is not None and self._fault.step == "connect":
            return
        await self._answer("greeting", "220 mail.test")
        while True:
            line = (await self._reader.readuntil(b"\n")).decode("utf-8", "replace").rstrip("\r\n")
            self._post.heard.append(line)
            verb = line.partition(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                await self._answer("ehlo", *self._abilities())
            elif verb == "STARTTLS" and self._post.offers_tls:
                await self._start_tls()
            elif verb == "AUTH" and self._is_tls:
                await self._log_in(line)
            elif verb == "MAIL":
                right = "250 OK" if self._knows_us else "530 5.7.0 log in first"
                await self._answer("mail", right)
            elif verb == "RCPT":
                self._recipient = line.partition("<")[2].partition(">")[0]
                await self._answer("rcpt", "250 OK")
            elif verb == "DATA":
                await self._take_mail()
                if self._post.hangs_up:
                    return
            elif verb == "RSET":
                await self._answer("rset", "250 OK")
            elif verb == "QUIT":
                await self._answer("quit", "221 bye")
                return
            else:
                await self._say("502 5.5.1 what?")

    def _abilities(self) -> list[str]:
        able = ["mail.test", "8BITMIME"]
        if self._post.offers_tls and not self._is_tls:
            able.append("STARTTLS")
        if self._is_tls:
            able.append("AUTH PLAIN")
        if self._post.utf8:
            able.append("SMTPUTF8")
        return [*(f"250-{each}" for each in able[:-1]), f"250 {able[-1]}"]

    async def _start_tls(self) -> None:
        await self._answer("starttls", "220 go ahead")
        if self._fault is not None and self._fault.step == "handshake":
            self._writer.write(b"no TLS at all\r\n" * 10)
            await self._reader.read()
            return
        await self._writer.start_tls(self._post.context)
        self._is_tls = True

    async def _log_in(self, line: str) -> None:
        given = base64.b64decode(line.split()[-1]).decode().split("\0")[-1]
        self._post.passwords.append(given)
        right = "235 welcome" if given == self._post.password else "535 5.7.8 refused"
        await self._answer("auth", right)
        self._knows_us = right.startswith("235")

    async def _take_mail(self) -> None:
        if not await self._answer("data", "354 go on"):
            return
        if self._fault is not None and self._fault.step == "half":
            await self._reader.readexactly(20)
            raise _End
        content = bytearray()
        while (line := await self._reader.readuntil(b"\n")) != b".\r\n":
            content += line.removeprefix(b".")
        is_refused = self._fault is not None and self._fault.step == "content"
        if not is_refused:
            mail = message_from_bytes(bytes(content), policy=default)
            assert isinstance(mail, EmailMessage) and mail["To"] == self._recipient
            self._post.mails.append(mail)
        await self._answer("content" if is_refused else "dot", "250 taken")

    async def _answer(self, step: str, *lines: str) -> bool:
        """Give the right answer, unless the fault is of this step; whether it was given."""
        fault = self._fault
        if fault is None or fault.step != step:
            await self._say(*lines)
            return True
        if fault.way == "late":
            await asyncio.sleep(fault.seconds)
            await self._say(*lines)
            return True
        if fault.way == "say":
            await self._say(*fault.words.split("\n"))
            return False
        await self._go_wrong(fault.way)
        return False

    async def _go_wrong(self, way: str) -> None:
        if way in ONCE:
            self._writer.write(ONCE[way])
            await self._writer.drain()
            await self._reader.read()
        elif way == "silence":  # and not a glance at what comes, be it our leave
            self._writer.transport.pause_reading()
            await self._post.ended.wait()
        elif way == "tarpit":
            await self._pour(b"2", DRIP)
        elif way == "endless":
            await self._pour(b"250-and so on\r\n" * 100, 0.001)
        elif way == "flood":
            await self._pour(b"x" * 2**20, 0.001)
        raise _End

    async def _pour(self, drop: bytes, pause: float) -> None:
        while True:
            self._writer.write(drop)
            await self._writer.drain()
            await asyncio.sleep(pause)

    async def _say(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())
        await self._writer.drain()
