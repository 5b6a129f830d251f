"""Mail to our SMTP server: pooled connections, every wait bounded, every failure one sentence.

Permanent is what the server says of this very mail: a 5xx to its recipient or its content. All
before that (connection, certificate, log-in, sender) concerns our set-up: mending that mends the
mail too, so it is transient and worth another attempt.
"""

import asyncio
import ssl
from contextlib import suppress
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
_SERVICE_CLOSING = 421  # RFC 5321 3.8: an answer to any command, and then the server hangs up


class DeliveryError(Exception):
    """The mail was not accepted: one sentence, and whether another attempt is without hope."""

    def __init__(self, message: str, permanent: bool) -> None:
        super().__init__(message)
        self.permanent = permanent


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

        Raises DeliveryError. After a transient one the mail may, rarely, have been taken over all
        the same (the connection broke before the answer): its Message-ID stays for the next time.
        """
        recipient = _recipient(message)
        async with self._turns:
            try:
                async with asyncio.timeout(self._limit):
                    await self._transmit(message, recipient)
            except TimeoutError:
                raise self._too_slow() from None

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
            _cut(client)

        await asyncio.gather(*(leave(client) for client, _ in idle))
        await asyncio.sleep(0)  # the transports close in the loop's next turn

    async def _transmit(self, message: EmailMessage, recipient: str) -> None:
        client = await self._open_envelope(recipient)
        try:
            unicode = not recipient.isascii()
            encoding = "utf-8" if unicode else "ascii"
            await client.rcpt(recipient, encoding=encoding)
            await client.data(message.as_bytes(policy=WIRE.clone(utf8=unicode)))
        except (aiosmtplib.SMTPRecipientRefused, aiosmtplib.SMTPDataError) as refusal:
            if refusal.code == _SERVICE_CLOSING:
                _cut(client)
            else:
                await self._forget_envelope(client)
            permanent = 500 <= refusal.code < 600
            raise DeliveryError(_words("The mail server answered", refusal), permanent) from refusal
        except (aiosmtplib.SMTPException, OSError) as error:
            _cut(client)
            raise DeliveryError(self._broken(error), permanent=False) from error
        except BaseException:
            _cut(client)
            raise
        self._keep(client)

    async def _open_envelope(self, recipient: str) -> aiosmtplib.SMTP:
        """A connection that has accepted our sender.

        A kept connection may have died meanwhile. MAIL FROM finds that out while no mail is under
        way yet, so trying the next, and at last a new one, never sends anything twice.
        """
        while True:
            kept = self._take()
            client = kept or await self._connect()
            try:
                options = []
                if not recipient.isascii():
                    if not client.supports_extension("smtputf8"):
                        self._keep(client)
                        raise DeliveryError(
                            "The mail server cannot write to an address with letters beyond ASCII",
                            permanent=True,
                        )
                    options.append("SMTPUTF8")
                await client.mail(self._sender, options=options)
            except (aiosmtplib.SMTPException, OSError) as error:
                _cut(client)
                if kept is None:
                    raise DeliveryError(self._broken(error), permanent=False) from error
            except asyncio.CancelledError:
                _cut(client)
                raise
            else:
                return client

    async def _forget_envelope(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.rset()
        except (aiosmtplib.SMTPException, OSError):
            _cut(client)
        except asyncio.CancelledError:
            _cut(client)
            raise
        else:
            self._keep(client)

    async def _connect(self) -> aiosmtplib.SMTP:
        client = aiosmtplib.SMTP(
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
        except (aiosmtplib.SMTPException, OSError) as error:
            _cut(client)
            raise DeliveryError(self._broken(error), permanent=False) from error
        except BaseException:
            _cut(client)
            raise
        return client

    def _take(self) -> aiosmtplib.SMTP | None:
        """The connection used last, if it still looks alive."""
        now = asyncio.get_running_loop().time()
        while self._idle:
            client, since = self._idle.pop()
            if client.is_connected and now - since < _REUSE_WITHIN:
                return client
            _cut(client)
        return None

    def _keep(self, client: aiosmtplib.SMTP) -> None:
        if client.is_connected:
            self._idle.append((client, asyncio.get_running_loop().time()))

    def _too_slow(self) -> DeliveryError:
        return DeliveryError(
            f"The mail server {self._host}:{self._port} did not finish within {self._limit:g} s",
            permanent=False,
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


def _cut(client: aiosmtplib.SMTP) -> None:
    """Drop the connection without another word."""
    if isinstance(client.transport, asyncio.WriteTransport):
        client.transport.abort()
    client.close()


def _words(beginning: str, answer: aiosmtplib.SMTPResponseException) -> str:
    return f"{beginning} {answer.code} {_one_line(answer.message)}".rstrip()


def _one_line(text: str) -> str:
    """What a server said, fit for a log and a room: printable, on one line, at most 200 long."""
    printable = "".join(each if each.isprintable() else " " for each in text)
    return " ".join(printable.split())[:200]
