"""The mails that applicants get: one text part and one HTML part, from Jinja2 templates.

Outside values (address, name) are escaped in HTML and cannot break a header. The subject is the
same for every applicant, and the token stands in the body only. An address to click holds it where
the homeserver has made one: then it is a page of the homeserver's own. Another leads to the page
where the owner of the address says that he wants no mail; where that is safe to call, the headers
of RFC 8058 let mail programs do so for him.
"""

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address, BaseHeader, HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8, Policy
from email.utils import format_datetime
from pathlib import Path
from typing import Literal, get_args

from email_validator import EmailNotValidError, validate_email
from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateSyntaxError,
    select_autoescape,
)

from gateway import words

Notice = Literal["taken", "review", "rejected", "deactivated", "suspended", "locked", "freed"]
NOTICES: tuple[Notice, ...] = get_args(Notice)
# What became of an account: these share the words around it.
ACCOUNT_NOTICES: tuple[Notice, ...] = ("deactivated", "suspended", "locked", "freed")

_OF_REQUEST = "Your account request at %(homeserver)s"
_OF_ACCOUNT = "Your account at %(homeserver)s"
_OURS = Path(__file__).parent / "templates"
# Placeholders in single braces, as operators of the older system wrote theirs.
_WORDS = (
    "homeserver|registration_token|registration_link|requested_username|utc_time|time_until_reset"
    "|unwanted_link"
)
_OLD_PLACEHOLDER = re.compile(rf"(?<!\{{)\{{({_WORDS})\}}(?!\}})")

_TRIED_LINK = "https://example.org/"


class _Link(UnstructuredHeader, BaseHeader):
    """A header that is one address to click. Folded as others are, a long one would be written as
    encoded words, and no mail program looks for an address in them (RFC 2047 5)."""

    def fold(self, *, policy: Policy) -> str:
        return f"{self.name}: {self}{policy.linesep}"


_HEADERS = HeaderRegistry()
_HEADERS.map_to_type("List-Unsubscribe", _Link)
_PLAIN, _INTERNATIONAL = (each.clone(header_factory=_HEADERS) for each in (SMTP, SMTPUTF8))


class _Templates(FileSystemLoader):
    """Template files in which the older system's placeholders work too."""

    def get_source(
        self, environment: Environment, template: str
    ) -> tuple[str, str, Callable[[], bool]]:
        source, file, is_fresh = super().get_source(environment, template)
        return _OLD_PLACEHOLDER.sub(r"{{ \1 }}", source), file, is_fresh


class Composer:
    """Writes the mails of one desk.

    `templates` is a folder of the operator's own token.txt and token.html (and of one pair for each
    notice, taken.txt and taken.html for instance); with the text alone the mail has no HTML part,
    since ours would show other words than his. Raises ValueError, with one sentence, for a template
    that is broken.
    """

    def __init__(
        self,
        *,
        server_name: str,
        sender: str,
        subject: str,
        public_url: str | None,
        homeserver_url: str,
        templates: Path | None = None,
    ) -> None:
        self._server_name, self._sender = server_name, sender
        self._subject = subject.replace("{homeserver}", server_name)
        self._public_url, self._homeserver_url = public_url, homeserver_url
        folders = [_OURS] if templates is None else [templates, _OURS]
        self._environment = Environment(
            loader=_Templates(folders),
            autoescape=select_autoescape(["html"]),
            auto_reload=False,  # what was tried at start is what is mailed
            undefined=StrictUndefined,  # a misspelt placeholder is found at start, not mailed
            extensions=["jinja2.ext.i18n"],
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        if templates is not None and not templates.is_dir():
            raise ValueError(f"The folder of mail templates {templates} does not exist")
        self._own = templates
        self._try_out()

    def token_mail(
        self,
        *,
        to: str,
        name: str,
        token: str,
        now: datetime,
        expires_at: datetime | None,
        message_id: str,
        link: str | None = None,
        unwanted_link: str | None = None,
        language: str = "en",
    ) -> EmailMessage:
        """The mail with `token` for the applicant who asked for the name `name`.

        `link` leads to a page on which the token is filled in, `unwanted_link` to that on which no
        more mail is asked for. `now` and `expires_at` are aware
        UTC; `message_id` is the whole id in its angle brackets, the same for every attempt at one
        mail. Raises ValueError when `to` is not one address.
        """
        speech = words.speech(language)
        values = {
            "registration_token": token,
            "registration_link": link or "",
            "unwanted_link": unwanted_link or "",
            "time_until_reset": words.time_left(expires_at - now, speech) if expires_at else "",
            "expires_at": expires_at and f"{expires_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
        }
        return self._write("token", self._subject, to, name, now, message_id, language, values)

    def notice(
        self,
        kind: Notice,
        *,
        to: str,
        name: str,
        now: datetime,
        message_id: str,
        unwanted_link: str | None = None,
        language: str = "en",
        reason: str | None = None,
    ) -> EmailMessage:
        """A mail without a token: the name turned out to be taken, or a person looks, or said no;
        or what became of an account, and why.

        Arguments and errors as above.
        """
        about, template = _OF_REQUEST, str(kind)
        if kind in ACCOUNT_NOTICES:
            about, template = _OF_ACCOUNT, "restricted"
        subject = words.speech(language).gettext(about) % {"homeserver": self._server_name}
        values = {"state": kind, "reason": reason, "unwanted_link": unwanted_link or ""}
        return self._write(template, subject, to, name, now, message_id, language, values)

    def _write(
        self,
        template: str,
        subject: str,
        to: str,
        name: str,
        now: datetime,
        message_id: str,
        language: str,
        more: Mapping[str, object],
    ) -> EmailMessage:
        speech = words.speech(language)
        values = {
            "homeserver": self._server_name,
            "requested_username": name,
            "utc_time": f"{now.astimezone(UTC):%Y-%m-%d %H:%M} UTC",
            "user_id": f"@{name}:{self._server_name}",
            "homeserver_url": self._homeserver_url,
            "public_url": self._public_url,
            "subject": subject,
            "language": language,
            "gettext": speech.gettext,
            "ngettext": speech.ngettext,
            **more,
        }
        address = _address(to)
        mail = EmailMessage(policy=_PLAIN if address.isascii() else _INTERNATIONAL)
        mail["From"] = self._sender
        mail["To"] = address
        mail["Subject"] = subject
        mail["Date"] = format_datetime(now.astimezone(UTC))
        mail["Message-ID"] = message_id
        mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notes, please
        _let_unsubscribe(mail, str(values["unwanted_link"]))
        mail.set_content(self._render(f"{template}.txt", values), cte="quoted-printable")
        if self._has_html(template):
            html = self._render(f"{template}.html", values)
            mail.add_alternative(html, subtype="html", cte="quoted-printable")
        return mail

    def _has_html(self, template: str) -> bool:
        own = self._own
        if own is None or not (own / f"{template}.txt").is_file():
            return True
        return (own / f"{template}.html").is_file()

    def _render(self, template: str, values: Mapping[str, object]) -> str:
        return self._environment.get_template(template).render(values)

    def _try_out(self) -> None:
        """Write every mail once for nobody, with and without an end and a link of the token."""
        now = datetime(2026, 1, 1, tzinfo=UTC)
        try:
            for expires_at, link in ((None, None), (now.replace(year=2027), _TRIED_LINK)):
                self.token_mail(
                    to="nobody@example.org",
                    name="nobody",
                    token="x" * 24,
                    now=now,
                    expires_at=expires_at,
                    message_id="<nobody@example.org>",
                    link=link,
                    unwanted_link=link,
                )
            for kind in NOTICES:
                self.notice(
                    kind,
                    to="nobody@example.org",
                    name="nobody",
                    now=now,
                    message_id="<nobody@x>",
                    unwanted_link=_TRIED_LINK,
                    reason="no reason",
                )
        except (TemplateError, UnicodeDecodeError) as error:
            place = ""
            if isinstance(error, TemplateSyntaxError):
                place = f"{error.filename or error.name}, line {error.lineno}: "
            raise ValueError(f"The mail template cannot be used: {place}{error}") from error


def _let_unsubscribe(mail: EmailMessage, link: str) -> None:
    """Let a mail program press the button behind `link` (RFC 8058, which wants https)."""
    if link.startswith("https://") and link.isascii():
        mail["List-Unsubscribe"] = f"<{link}>"
        mail["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"


def _address(text: str) -> str:
    """`text` with its domain in ASCII, once it is sure to be one address and nothing else."""
    local, _, domain = text.rpartition("@")
    if not domain.isascii():
        # IDNA 2008, as browsers have it: the older rules mail straße.de to strasse.de.
        try:
            domain = validate_email(text, check_deliverability=False).ascii_domain
        except EmailNotValidError as error:
            raise ValueError(str(error)) from None
    address = f"{local}@{domain}"
    read = EmailMessage(policy=SMTPUTF8)
    # Line breaks raise; so do a few odd addresses over which the parser itself stumbles.
    with suppress(ValueError, IndexError, HeaderParseError):
        read["To"] = address
    found: tuple[Address, ...] = getattr(read["To"], "addresses", ())
    whole = bool(local and domain) and address.isprintable()
    if not whole or len(found) != 1 or found[0].addr_spec != address:
        raise ValueError("This is not one e-mail address")
    return address
