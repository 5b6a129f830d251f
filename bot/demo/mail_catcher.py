"""An SMTP server that delivers nothing, and a small page on which its mails can be read.

For the demo and the tests: it keeps the last 1000 mails in memory. Mails are other people's words,
so the page escapes them, allows no script at all, and shows HTML parts in a sandboxed frame.
"""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default as MODERN
from html import escape
from typing import Any

from aiohttp import web
from aiosmtpd.smtp import SMTP, Envelope, Session

_KEPT = 1000
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; frame-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
# The frame gets a policy of its own: an HTML part may style itself and no more.
_FRAME_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'"
_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 sans-serif; }
body { max-width: 52em; margin: 2em auto; padding: 0 1em; background: #fbf1c7; color: #3c3836; }
a { color: #076678; } th, td { text-align: left; padding: .2em 1em .2em 0; vertical-align: top; }
pre { white-space: pre-wrap; overflow-wrap: anywhere; padding: 1em; background: #f9f5d7; }
iframe { width: 100%; height: 32em; border: 1px solid #bdae93; }
@media (prefers-color-scheme: dark) {
  body { background: #282828; color: #ebdbb2; } a { color: #83a598; } pre { background: #1d2021; }
}
"""


@dataclass(frozen=True, slots=True)
class CaughtMail:
    """One mail as it came in; `number` counts up from 1 and never comes twice."""

    number: int
    at: datetime
    sender: str
    recipients: tuple[str, ...]
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, read."""
        return message_from_bytes(self.raw, _class=EmailMessage, policy=MODERN)

    @property
    def subject(self) -> str:
        return str(self.message["Subject"] or "")

    @property
    def text(self) -> str:
        """The text part, or nothing."""
        return self._part("plain")

    @property
    def html(self) -> str:
        """The HTML part, or nothing."""
        return self._part("html")

    def _part(self, kind: str) -> str:
        body = self.message.get_body((kind,))
        content = body.get_content() if body is not None else ""
        return content if isinstance(content, str) else ""


class _Line(SMTP):
    """One connection of a mail server, which stands in `open_lines` as long as it lasts."""

    def __init__(self, catcher: "MailCatcher", open_lines: set["_Line"]) -> None:
        super().__init__(
            catcher, hostname="mail-catcher", ident="Porter's mail catcher", enable_SMTPUTF8=True
        )
        self._open_lines = open_lines

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._open_lines.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._open_lines.discard(self)


class MailCatcher:
    """Listens on `smtp_port` and shows on `web_port`; 0 takes any free port, set after `start`."""

    def __init__(self, host: str, smtp_port: int, web_port: int) -> None:
        self.host, self.smtp_port, self.web_port = host, smtp_port, web_port
        self._mails: deque[CaughtMail] = deque(maxlen=_KEPT)
        self._caught = 0
        self._arrival = asyncio.Condition()
        self._lines: set[_Line] = set()
        self._smtp: asyncio.Server | None = None
        self._page: web.AppRunner | None = None

    @property
    def messages(self) -> Sequence[CaughtMail]:
        """The mails caught so far, oldest first."""
        return tuple(self._mails)

    @property
    def url(self) -> str:
        """Where the mails can be read."""
        return f"http://{self.host}:{self.web_port}"

    async def start(self) -> None:
        """Listen. Raises OSError when a port is taken."""
        loop = asyncio.get_running_loop()
        self._smtp = await loop.create_server(
            lambda: _Line(self, self._lines), self.host, self.smtp_port
        )
        self.smtp_port = self._smtp.sockets[0].getsockname()[1]
        app = web.Application()
        app.add_routes(
            [
                web.get("/", self._list),
                web.get(r"/mails/{number:\d+}", self._show),
                web.get(r"/mails/{number:\d+}/raw", self._raw),
                web.get(r"/mails/{number:\d+}/html", self._html),
            ]
        )
        self._page = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        try:
            await self._page.setup()
            site = web.TCPSite(self._page, self.host, self.web_port)
            await site.start()
        except BaseException:
            await self.stop()
            raise
        self.web_port = self._page.addresses[0][1]

    async def stop(self) -> None:
        """Listen no more; the mails stay readable in `messages`."""
        if self._smtp is not None:
            self._smtp.close()
            await self._smtp.wait_closed()
            self._smtp = None
        while self._lines:  # a client that stays connected must not keep us
            for line in tuple(self._lines):
                if isinstance(line.transport, asyncio.WriteTransport):
                    line.transport.abort()
            await asyncio.sleep(0)
        if self._page is not None:
            await self._page.cleanup()
            self._page = None

    async def wait_for(
        self,
        address: str,
        after: int = 0,
        timeout: float = 30,  # noqa: ASYNC109 - the sentence below names the address
    ) -> CaughtMail:
        """The first mail to `address` with a number above `after`; waits `timeout` seconds for it.

        Raises TimeoutError, with a sentence, when none came.
        """
        wanted = address.casefold()
        end = time.monotonic() + timeout
        async with self._arrival:
            while True:
                for mail in self._mails:
                    if mail.number > after and wanted in map(str.casefold, mail.recipients):
                        return mail
                try:
                    await asyncio.wait_for(self._arrival.wait(), end - time.monotonic())
                except TimeoutError:
                    raise TimeoutError(f"no mail to {address} within {timeout:g} s") from None

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a mail over, as aiosmtpd calls it."""
        content: Any = envelope.content
        self._caught += 1
        mail = CaughtMail(
            self._caught,
            datetime.now(UTC),
            str(envelope.mail_from or ""),
            tuple(str(each) for each in envelope.rcpt_tos),
            bytes(content),
        )
        self._mails.append(mail)
        async with self._arrival:
            self._arrival.notify_all()
        return f"250 caught as number {mail.number}"

    async def _list(self, request: web.Request) -> web.Response:
        rows = "".join(
            f'<tr><td>{mail.at:%H:%M:%S}<td><a href="/mails/{mail.number}">'
            f"{escape(mail.subject) or '(no subject)'}</a><td>{escape(', '.join(mail.recipients))}"
            for mail in reversed(self._mails)
        )
        table = f"<table><tr><th>UTC<th>Subject<th>To{rows}</table>"
        return _page("Caught mails", table if rows else "<p>No mail yet.", refresh=True)

    async def _show(self, request: web.Request) -> web.Response:
        mail = self._find(request)
        at = f"/mails/{mail.number}"
        body = (
            f'<p><a href="/">All mails</a> · <a href="{at}/raw">raw</a>'
            f"<table><tr><th>From<td>{escape(mail.sender)}"
            f"<tr><th>To<td>{escape(', '.join(mail.recipients))}</table>"
            f"<h2>Text</h2><pre>{escape(mail.text) or '(none)'}</pre>"
        )
        if mail.html:
            body += f'<h2>HTML</h2><iframe sandbox title="HTML part" src="{at}/html"></iframe>'
        return _page(mail.subject or "(no subject)", body)

    async def _raw(self, request: web.Request) -> web.Response:
        return _answer(self._find(request).raw.decode(errors="replace"), "text/plain", _POLICY)

    async def _html(self, request: web.Request) -> web.Response:
        return _answer(self._find(request).html, "text/html", _FRAME_POLICY)

    def _find(self, request: web.Request) -> CaughtMail:
        number = request.match_info["number"]
        for mail in self._mails:
            if str(mail.number) == number:
                return mail
        raise web.HTTPNotFound(text="No such mail, or no longer kept.")


def _page(title: str, body: str, refresh: bool = False) -> web.Response:
    again = '<meta http-equiv="refresh" content="3">' if refresh else ""
    return _answer(
        f'<!doctype html><html lang="en"><meta charset="utf-8">{again}'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><h1>{escape(title)}</h1>{body}",
        "text/html",
        _POLICY,
    )


def _answer(text: str, kind: str, policy: str) -> web.Response:
    return web.Response(
        # A mail in a strange charset may hold lone surrogates, which UTF-8 has no bytes for.
        body=text.encode("utf-8", "replace"),
        content_type=kind,
        charset="utf-8",
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )
