"""Mail to our SMTP server: pooled connections, every wait bounded, every failure one sentence.

Permanent is what the server says of this very mail: a 5xx to its recipient or its content. All
before that (connection, certificate, log-in, sender) concerns our set-up: mending that mends the
mail too, so it is transient and worth another attempt.
"""

import asyncio
import re
import ssl
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as WIRE
from email.utils import parseaddr
from pathlib import Path
from typing import Literal

import aiosmtplib

_REUSE_WITHIN = 60.0  # seconds of idleness; servers hang up after 300 (RFC 5321 4.5.3.2.7)
_GOODBYE = 2.0  # seconds granted to QUIT
_GO_AHEAD = 354
_LINE_END, _DOT = re.compile(rb"\r\n|\r|\n"), re.compile(rb"(?m)^\.")


class DeliveryError(Exception):
    """The mail was not accepted, as far as we know: one sentence, and whether another attempt is
    without hope. `unsure`: the server had all of it, and did not say whether it took it."""

    def __init__(self, message: str, permanent: bool, unsure: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent
        self.unsure = unsure


class _Line(aiosmtplib.SMTP):
    """A connection that is gone at once when it is closed. By itself it would wait for a server
    that does not hang up, with TLS for half a minute."""

    def close(self) -> None:
        if isinstance(self.transport, asyncio.WriteTransport):
            self.transport.abort()
        super().close()


@dataclass
class _Letter:
    """One mail as it travels; `is_handed_over` once its final dot is on the way."""

    message: EmailMessage
    recipient: str
    is_handed_over: bool = False

    @property
    def is_ascii(self) -> bool:
        return self.recipient.isascii()

    @property
    def content(self) -> bytes:
        """As it goes over the line. No line may end otherwise than with CR LF, or what follows
        could pass for another mail; and a dot that begins one is doubled (RFC 5321 4.5.2)."""
        content = self.message.as_bytes(policy=WIRE.clone(utf8=not self.is_ascii))
        return _DOT.sub(b"..", _LINE_END.sub(b"\r\n", content)) + b".\r\n"


class Mailer:
    """Sends over at most `connections` connections, kept open between mails.

    `timeout` bounds one mail or check in all, the connection included, but not the wait for a
    free connection. With `ca_file` only its certificates are trusted, else the system's.
    Raises OSError at once when `ca_file` cannot be read.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        username: str | None,
        password: str | None,
        sender: str,
        timeout: timedelta,
        connections: int,
        ca_file: Path | None = None,
    ) -> None:
        self._host, self._port, self._security = host, port, security
        self._username, self._password = username, password
        self._sender = parseaddr(sender)[1]
        self._limit = timeout.total_seconds()
        self._trust = None if security == "none" else ssl.create_default_context(cafile=ca_file)
        self._turns = asyncio.Semaphore(connections)
        self._idle: list[tuple[aiosmtplib.SMTP, float]] = []

    async def send(self, message: EmailMessage) -> None:
        """Hand the mail to the server; returns when the server has taken it over.

        Raises DeliveryError.
        """
        letter = _Letter(message, _recipient(message))
        async with self._turns:
            try:
                async with asyncio.timeout(self._limit):
                    await self._transmit(letter)
            except TimeoutError:
                raise self._too_slow(letter.is_handed_over) from None

    async def check(self) -> None:
        """Connect and log in, as for a mail, without sending one. Raises DeliveryError."""
        async with self._turns:
            try:
                async with asyncio.timeout(self._limit):
                    self._keep(await self._connect())
            except TimeoutError:
                raise self._too_slow() from None

    async def close(self) -> None:
        """Take leave of the server on every idle connection."""
        idle, self._idle = self._idle, []

        async def leave(client: aiosmtplib.SMTP) -> None:
            with suppress(aiosmtplib.SMTPException, TimeoutError, OSError):
                await client.quit(timeout=_GOODBYE)
            client.close()

        await asyncio.gather(*(leave(client) for client, _ in idle))
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _transmit(self, letter: _Letter) -> None:
        client = await self._open_envelope(letter)
        try:
            encoding = "ascii" if letter.is_ascii else "utf-8"
            await client.rcpt(letter.recipient, encoding=encoding)
            await _hand_over(client, letter)
        except (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as refusal:
            permanent = 500 <= refusal.code < 600
            if permanent:
                await self._forget_envelope(client)
            else:  # behind another connection there may be a server that is well
                client.close()
            raise DeliveryError(_words("The mail server answered", refusal), permanent) from refusal
        except (aiosmtplib.SMTPException, OSError) as error:
            client.close()
            raise DeliveryError(self._broken(error), False, letter.is_handed_over) from error
        except BaseException:
            client.close()
            raise
        self._keep(client)

    async def _open_envelope(self, letter: _Letter) -> aiosmtplib.SMTP:
        """A connection that has accepted our sender.

        A kept connection may have died meanwhile. MAIL FROM finds that out while no mail is under
        way yet, so trying the next, and at last a new one, never sends anything twice.
        """
        while True:
            kept = self._take()
            client = kept or await self._connect()
            try:
                options = []
                if not letter.is_ascii:
                    if not client.supports_extension("smtputf8"):
                        self._keep(client)
                        raise DeliveryError(
                            "The mail server cannot write to an address with letters beyond ASCII",
                            permanent=True,
                        )
                    options.append("SMTPUTF8")
                await client.mail(self._sender, options=options)
            except (aiosmtplib.SMTPException, OSError, ValueError) as error:
                client.close()
                if kept is None:
                    raise DeliveryError(self._broken(error), permanent=False) from error
            except asyncio.CancelledError:
                client.close()
                raise
            else:
                return client

    async def _forget_envelope(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.rset(timeout=_GOODBYE)
        except (aiosmtplib.SMTPException, OSError):
            client.close()
        except asyncio.CancelledError:
            client.close()
            raise
        else:
            self._keep(client)

    async def _connect(self) -> aiosmtplib.SMTP:
        client = _Line(
            hostname=self._host,
            port=self._port,
            username=self._username,
            password=self._password,
            use_tls=self._security == "tls",
            start_tls=self._security == "starttls",  # True insists on it, so nobody can strip it
            tls_context=self._trust,
            timeout=self._limit,
        )
        try:
            await client.connect()
            # Without a log-in nothing was said yet, and what the server can do is unknown.
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            client.close()  # ValueError: the host is no name
            raise DeliveryError(self._broken(error), permanent=False) from error
        except BaseException:
            client.close()
            raise
        return client

    def _take(self) -> aiosmtplib.SMTP | None:
        """The connection used last, if it still looks alive."""
        self._drop_old()
        return self._idle.pop()[0] if self._idle else None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        self._drop_old()
        self._idle.append((client, asyncio.get_running_loop().time()))

    def _drop_old(self) -> None:
        """Let go of what was idle for long: the server may have, too, and tells only when asked."""
        now = asyncio.get_running_loop().time()
        old = [each for each, since in self._idle if now - since >= _REUSE_WITHIN]
        for client in old:
            client.close()
        self._idle = [each for each in self._idle if each[0].is_connected]

    def _too_slow(self, unsure: bool = False) -> DeliveryError:
        return DeliveryError(
            f"The mail server {self._host}:{self._port} did not finish within {self._limit:g} s",
            permanent=False,
            unsure=unsure,
        )

    def _broken(self, error: Exception) -> str:
        place = f"{self._host}:{self._port}"
        if isinstance(error, aiosmtplib.SMTPAuthenticationError):
            return _words(f"The mail server {place} refused our log-in:", error)
        if isinstance(error, aiosmtplib.SMTPSenderRefused):
            return _words(f"The mail server {place} refused the sender {self._sender}:", error)
        if isinstance(error, aiosmtplib.SMTPResponseException):
            return _words(f"The mail server {place} answered", error)
        return f"The mail server {place} cannot be used: {_one_line(str(error))}"


def _recipient(message: EmailMessage) -> str:
    """The one address of the mail; more than one would show people to each other."""
    addresses: tuple[Address, ...] = getattr(message["To"], "addresses", ())
    if len(addresses) != 1 or not addresses[0].domain:
        raise DeliveryError("A mail goes to exactly one address", permanent=True)
    return addresses[0].addr_spec


async def _hand_over(client: aiosmtplib.SMTP, letter: _Letter) -> None:
    """DATA, the mail and its final dot. Raises SMTPDataError for what the server answers."""
    answer = await client.execute_command(b"DATA")
    if answer.code != _GO_AHEAD:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)
    if client.protocol is None:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    client.protocol.write(letter.content)
    letter.is_handed_over = True
    answer = await client.protocol.read_response()
    if not 200 <= answer.code < 300:
        raise aiosmtplib.SMTPDataError(answer.code, answer.message)


def _words(beginning: str, answer: aiosmtplib.SMTPResponseException) -> str:
    return f"{beginning} {answer.code} {_one_line(answer.message)}".rstrip()


def _one_line(text: str) -> str:
    """What a server said, fit for a log and a room: printable, on one line, at most 200 long."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:200]
