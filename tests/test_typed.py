"""Whatever a stranger types stays where it was typed: on the page, in the log, in a mail, in the
room and in a sheet, each read back by a parser that knows nothing of Porter."""

import asyncio
import io
import json
import quopri
import re
import unicodedata
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import structlog
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bot.answers import Answer
from bot.console import Console
from bot.feed import DeskAlerts
from bot.room.replies import _notice
from bot.sheets import write_rows
from gateway import log
from gateway.app import open_desk
from gateway.desk import Desk
from gateway.mail.compose import Composer
from gateway.rules.addresses import parse_address
from gateway.rules.names import parse_name
from gateway.rules.opening import Opening
from gateway.rules.screening import Application
from gateway.settings.config import parse
from gateway.store.audit import Author
from gateway.web.form import Form
from gateway.web.pages import Pages
from gateway.web.shelf import Shelf
from gateway.web.wording import Complaint

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CONFIG = """
server_name: example.org
state: state
bans: bans
web: {public_url: "https://register.example.org"}
homeserver: {kind: token_file, url: "http://127.0.0.1:1", token_file: token}
tokens: {mode: shared}
registration: {limits: {email: null, domain: null, ipv4: null, network: null, all: null}}
review: {all: true}
alerts: {burst: 1 per 10m, names_by_address: 1 per 1d}
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
"""
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><!--",
    "</title></textarea>",
    "{{ 7 * 7 }}{% raw %}",
    "{registration_token}",
    "\r\nBcc: all@example.net\r\n\r\n",
    "=?UTF-8?Q?=0ABcc:_all=40example.net?=",
    "%0d%0aBcc:",
    "\r\n.\r\nMAIL FROM:<x@example.net>",
    "=HYPERLINK(0)",
    "+cmd|' /C calc'!A0",
    "@SUM(1)",
    "-2+3",
    "\t=1",
    '",=1,"',
    "@room",
    "@mod:example.org",
    "https://matrix.to/#/@mod:example.org",
    "[x](https://evil.example)",
    "`ban ip 0.0.0.0/1`",
    "!porter pause",
    "\u202egro.elpmaxe\u2066",
    "\x1b[2J\x1b]0;x\x07",
    "\x00",
    "\ud800",
    "\u2028\u2029\x85\x0b\x0c",
    "ﷺ" * 40,
    "a" * 300,
)
ALL = "".join(EVIL)
TYPED = st.lists(st.sampled_from(EVIL) | st.text(max_size=20), max_size=4).map("".join)


class Read(HTMLParser):
    """The elements of a page with their attributes, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    @property
    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def field(self, name: str) -> str | None:
        (found,) = (each for tag, each in self.elements if tag == "input" and each["name"] == name)
        return found["value"]


def hides(text: str) -> bool:
    """Whether a letter of it moves the cursor, turns the line around, or cannot be seen."""
    return any(unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") for char in text)


def sent(text: str) -> str:
    """What arrives of a text that a browser sends: half a surrogate is no text."""
    return text.encode("utf-8", "replace").decode()


PAGES = Pages(server_name="example.org", files=Shelf().names, human_check="light")


@given(TYPED, TYPED)
@example(ALL, ALL)
@settings(max_examples=50, deadline=None)
def test_the_page_shows_what_was_typed_and_nothing_else_of_it(name: str, email: str) -> None:
    complaint = (Complaint("name_malformed", "requested_username", "It cannot be used."),)

    def page(form: Form) -> Read:
        return Read(PAGES.desk(Opening(True), NOW, "en", form, complaint).decode())

    found, plain = page(Form(sent(name), sent(email))), page(Form("ann", "ann@example.net"))
    assert found.shape == plain.shape
    assert found.text == plain.text
    assert found.comments == []
    # A browser, too, reads NUL as U+FFFD; the parser keeps it.
    assert found.field("requested_username") == sent(name)
    assert found.field("email") == sent(email)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@contextmanager
def logged(stream: io.StringIO, fields: dict[str, str]) -> Iterator[str]:
    log.configure(stream)
    try:
        structlog.get_logger("test").info("mail_failed", **fields)
        yield stream.getvalue()
    finally:
        structlog.reset_defaults()


@given(st.dictionaries(st.sampled_from(("name", "reason", "path")), TYPED))
@example({"name": ALL, "reason": ALL})
@settings(max_examples=50, deadline=None)
def test_a_line_of_the_log_is_one_event(fields: dict[str, str]) -> None:
    with logged(io.StringIO(), fields) as said:
        line, end = said[:-1], said[-1:]
    assert end == "\n" and line.isascii() and line.isprintable()
    assert {key: json.loads(line)[key] for key in fields} == fields


@given(st.dictionaries(st.sampled_from(("name", "reason", "path")), TYPED))
@example({"name": ALL, "reason": ALL})
@settings(max_examples=50, deadline=None)
def test_on_a_terminal_nothing_typed_moves_the_cursor(fields: dict[str, str]) -> None:
    with logged(Terminal(), fields) as told:
        said = re.sub(r"\x1b\[[0-9;]*m", "", told)  # its own colours
    assert said.count("\n") == 1 and said.endswith("\n")
    assert not hides(said[:-1])


NAMES = st.from_regex(r"[a-z0-9._=/+-]{1,30}", fullmatch=True) | TYPED
ADDRESSES = st.emails() | st.tuples(TYPED, st.just("@example.net")).map("".join) | TYPED
COMPOSER = Composer(
    server_name="example.org",
    sender="Porter <porter@example.org>",
    subject="Your registration token for {homeserver}",
    public_url="https://register.example.org",
    homeserver_url="https://matrix.example.org",
)


def raw(name: str, email: str) -> tuple[list[tuple[str, str]], bytes]:
    """Headers and body of a mail, taken apart byte by byte as RFC 5322 2.2 says."""
    mail = COMPOSER.token_mail(
        to=email,
        name=name,
        token="t0ken-of-the-applicant",
        now=NOW,
        expires_at=NOW + timedelta(days=7),
        message_id="<1@example.org>",
    )
    head, _, body = mail.as_bytes().partition(b"\r\n\r\n")
    assert b"\r" not in head.replace(b"\r\n", b"") and b"\n" not in head.replace(b"\r\n", b"")
    assert b"\0" not in head + body
    headers: list[tuple[str, str]] = []
    for line in head.decode().split("\r\n"):
        if line[0] in " \t":
            headers[-1] = (headers[-1][0], headers[-1][1] + line)
        else:
            key, colon, value = line.partition(":")
            assert colon, line
            headers.append((key, value.removeprefix(" ")))
    return headers, body


@given(NAMES, ADDRESSES)
@settings(max_examples=200, deadline=None)
def test_a_mail_has_its_own_headers_and_goes_to_one_address(name: str, email: str) -> None:
    try:
        name, address = parse_name(name, "example.org"), parse_address(email)
    except ValueError as error:
        assert str(error)
        return
    headers, body = raw(name, address.text)
    usual, _ = raw("ann", "ann@example.net")
    assert [key for key, _ in headers] == [key for key, _ in usual]
    values, plain = dict(headers), dict(usual)
    for key in values.keys() - {"To", "Content-Type"}:
        assert values[key] == plain[key]
    assert values["To"].replace(" ", "").strip("<>") == address.text.replace(" ", "")
    boundary = values["Content-Type"].partition('boundary="')[2].rstrip('"').encode()
    _, text, html, end = body.split(b"--" + boundary)
    assert end.startswith(b"--")
    assert f"@{name}:example.org" in quopri.decodestring(text).decode()
    assert Read(quopri.decodestring(html).decode()).shape == HTML_SHAPE


def _html_shape() -> list[tuple[str, tuple[str, ...]]]:
    headers, body = raw("ann", "ann@example.net")
    boundary = dict(headers)["Content-Type"].partition('boundary="')[2].rstrip('"').encode()
    return Read(quopri.decodestring(body.split(b"--" + boundary)[2]).decode()).shape


HTML_SHAPE = _html_shape()
OURS = {"br", "code", "details", "summary", "table", "thead", "tbody", "tr", "th", "td", "pre"}


def is_harmless(answer: Answer) -> None:
    """What a Matrix client makes of an answer: no link, no picture, no mention, nothing hidden."""
    event = _notice(answer.plain(), answer.html())
    assert event["m.mentions"] == {} and event["msgtype"] == "m.notice"
    assert len(json.dumps(event).encode()) < 65_536
    found = Read(event["formatted_body"])
    assert {tag for tag, _ in found.elements} <= OURS
    assert all(not attributes for _, attributes in found.elements)
    assert found.comments == []
    for text in (event["body"], found.text):
        assert not hides(text.replace("\n", ""))


@asynccontextmanager
async def open_anew() -> AsyncIterator[Desk]:
    with TemporaryDirectory() as folder:
        async with open_desk(parse(CONFIG, Path(folder), {}), lambda: NOW) as desk:
            yield desk


async def through_the_desk(name: str, email: str, language: str, line: str) -> None:
    """A request, and everything that a moderator can see of it."""
    async with open_anew() as desk:
        ip = ip_address("203.0.113.7")
        for each in (name, f"{name}x", name):
            await desk.apply(Application(each, email, ip, language))
        await desk.burst_watch.tell()
        for alert in await DeskAlerts(desk).pending():
            is_harmless(alert.message)
            if alert.details is not None:
                is_harmless(alert.details)
        console, author = Console(desk), Author("@mod:example.org", None)
        for command in (
            "registrations --full",
            "registration 1 --full",
            "review",
            "status",
            "alerts",
            line,
            f"test {line}",
            f"reject 1 {line}",
            "log --full",
        ):
            is_harmless(await console.type(command.replace("\n", " "), author))


@given(TYPED, TYPED, TYPED, TYPED)
@example(EVIL[1], f"{EVIL[0]}@example.net", "de", f"{EVIL[19]} {EVIL[22]}")
@settings(max_examples=10, deadline=None)
def test_the_room_sees_what_was_typed_and_nobody_is_called(
    name: str, email: str, language: str, line: str
) -> None:
    asyncio.run(through_the_desk(sent(name), sent(email), sent(language)[:20], line))


def rows(text: str) -> Iterator[list[str]]:
    """CSV read letter by letter as RFC 4180 says; raises ValueError where it is none."""
    row, cell, quoted, at = [], "", False, 0
    while at < len(text):
        if quoted:
            if text[at] != '"':
                cell += text[at]
            elif text[at + 1 : at + 2] == '"':
                cell, at = cell + '"', at + 1
            else:
                quoted = False
        elif text[at] == '"' and not cell:
            quoted = True
        elif text[at] == ",":
            row, cell = [*row, cell], ""
        elif text[at : at + 2] == "\r\n":
            yield [*row, cell]
            row, cell, at = [], "", at + 1
        elif text[at] in '\r\n"':
            raise ValueError(f"no CSV at {at}")
        else:
            cell += text[at]
        at += 1
    if row or cell or quoted:
        raise ValueError("the last line has no end")


@given(st.lists(st.tuples(TYPED, TYPED), max_size=3))
@example([(each, each) for each in EVIL])
@settings(deadline=None)
def test_no_cell_of_a_sheet_reckons_or_runs_over(cells: list[tuple[str, str]]) -> None:
    stream = io.StringIO(newline="")
    write_rows(("name", "email"), cells, stream)
    head, *found = rows(stream.getvalue())
    assert head == ["name", "email"]
    assert len(found) == len(cells)
    for row, typed in zip(found, cells, strict=True):
        for cell, text in zip(row, typed, strict=True):
            assert cell in (text, f"'{text}")
            assert not cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
