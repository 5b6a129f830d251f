"""The older system's configuration, in both of its layouts, written anew in ours.

What only a person can know is written with a comment that begins with DECIDE.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from bot.legacy.lists import Damaged
from bot.legacy.mail import translate_body
from gateway.rules.durations import format_duration

TEMPLATES = "imported-templates"  # the folder beside the new configuration
_TEMPLATE_FILE = re.compile(r"\S+\.(txt|html?|j2)")


@dataclass
class NewConfig:
    """Our configuration as text, the mail templates by their file's name, and what was left."""

    text: str
    templates: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def translate(
    content: bytes, base: Path, *, token_file: Path, state: str = "state", bans: str = "bans"
) -> NewConfig:
    """Translate a `config.yaml`; `base` is the folder its paths count from. Raises Damaged."""
    try:
        # Every value as its text: YAML reads the time 0730 as an octal number.
        data = yaml.load(content, yaml.BaseLoader)  # noqa: S506 - it makes nothing but text
    except (yaml.YAMLError, ValueError) as error:
        raise Damaged([f"it is no YAML ({' '.join(str(error).split())[:200]})"]) from None
    if not isinstance(data, dict):
        raise Damaged(["it is no mapping of settings"])
    old = _Old(data, base)
    if not re.fullmatch(r"[A-Za-z0-9.:\[\]-]+", old.text("homeserver")):
        raise Damaged(["homeserver: the server's name is missing, or is none"])
    sections = (
        _head(old, state, bans),
        _web(old),
        _homeserver(old, token_file),
        _tokens(old),
        _registration(old),
        _smtp(old),
        _mail(old),
        _BOT.format(server=old.text("homeserver")),
    )
    return NewConfig("\n".join(sections), old.templates, old.notes)


class _Old:
    """The older settings by their path; the flat layout is asked for where the nested has none."""

    def __init__(self, data: Mapping[str, Any], base: Path) -> None:
        self._data, self.base = data, base
        self.notes: list[str] = []
        self.templates: dict[str, str] = {}

    def text(self, *paths: str) -> str:
        """The first of these that is set, as it was written; empty when none is."""
        for path in paths:
            found: Any = self._data
            for part in path.split("."):
                found = found.get(part) if isinstance(found, dict) else None
            if isinstance(found, str) and found.strip() not in ("", "~", "null"):
                if re.search("[\ud800-\udfff]", found):  # an escape such as \\ud83d, alone
                    raise Damaged([f"{path}: it holds half a character"])
                return found.strip() if "\n" not in found else found
        return ""

    def number(self, name: str, *paths: str, most: int = 10**9) -> int | None:
        """A whole number; what is none is noted."""
        text = self.text(*paths)
        if text.isascii() and text.isdigit() and int(text[:12]) <= most:
            return int(text[:12])
        if text:
            self.notes.append(f"{name}: {text!r} is no number that fits; our default stands")
        return None

    def truth(self, *paths: str, default: bool) -> bool:
        """Yes or no, as YAML writes it."""
        text = self.text(*paths).lower()
        return text in ("true", "yes", "on") if text else default


def _q(value: str) -> str:
    return str(yaml.safe_dump(value, default_style='"', width=10**6, allow_unicode=True)).strip()


def _head(old: _Old, state: str, bans: str) -> str:
    return (
        "# Brought over from the older system. Read it through, decide where it says DECIDE, then\n"
        "# save it as config.yaml; example-config.yaml explains every key.\n"
        f"server_name: {_q(old.text('homeserver'))}\nstate: {_q(state)}\nbans: {_q(bans)}\n"
    )


def _web(old: _Old) -> str:
    lines = [
        "web:",
        "  # DECIDE: the older page listened to every network. Behind a reverse proxy on this",
        "  # machine 127.0.0.1 is right; without one write 0.0.0.0 and trust no proxy.",
        "  host: 127.0.0.1",
        '  trusted_proxies: ["127.0.0.1", "::1"]',
        "  # DECIDE: the address of the page as applicants know it.",
        "  # public_url: https://register." + old.text("homeserver"),
    ]
    port = old.number("port", "port", most=65535)
    if port:
        lines.append(f"  port: {port}")
    for key, name in (("logo", "logo.png"), ("favicon", "favicon.ico")):
        file = old.base / "static" / name
        if file.is_file():
            lines.append(f"  {key}: {_q(str(file))}")
    return "\n".join(lines) + "\n"


def _homeserver(old: _Old, token_file: Path) -> str:
    url = old.text("base_url").rstrip("/") or f"https://{old.text('homeserver')}"
    if not re.fullmatch(r"https?://[^\s/]+", url):
        old.notes.append(f"base_url: {url!r} is no address; https:// and the server's name stands")
        url = f"https://{old.text('homeserver')}"
    return (
        "homeserver:\n"
        "  # DECIDE: the kind of homeserver. token_file is for the conduwuit family, which reads\n"
        "  # the token from a file; a container must mount its folder, not the file alone.\n"
        "  # For a Synapse write kind: synapse and admin_token_file instead of token_file.\n"
        "  kind: token_file\n"
        f"  url: {_q(url)}\n"
        f"  token_file: {_q(str(token_file))}\n"
    )


def _tokens(old: _Old) -> str:
    lines = ["tokens:", "  mode: shared"]
    written = old.text("registration.token_reset_time_utc", "token_reset_time_utc")
    if written:
        cron = _cron(written)
        if cron is None:
            old.notes.append(f"token_reset_time_utc: {written!r} is no time of day")
            lines.append("  # DECIDE: when a new token is made, as cron fields in UTC.")
        lines.append(f'  rotation: "{cron or "0 0 * * *"}"')
    name = "downtime_before_token_reset"
    downtime = old.number(name, f"registration.{name}", name, most=24 * 60)
    if downtime:
        lines.append(f"  downtime: {format_duration(timedelta(minutes=downtime))}")
    return "\n".join(lines) + "\n"


def _cron(written: str) -> str | None:
    """The time of day under both readings: up to 23 an hour, above that, or of three digits and
    more, HHMM."""
    if not (written.isascii() and written.isdigit() and len(written) <= 4):
        return None
    number = int(written)
    hour, minute = divmod(number, 100) if number > 23 or len(written) > 2 else (number, 0)
    return f"{minute} {hour} * * *" if hour < 24 and minute < 60 else None


def _registration(old: _Old) -> str:
    # Both were allowed, and without a pause, where the older configuration said nothing.
    name = "multiple_users_per_email"
    several = old.truth(f"registration.{name}", name, default=True)
    pause = old.number("email_cooldown", "registration.email_cooldown", "email_cooldown")
    return (
        "registration:\n"
        f"  email_cooldown: {format_duration(timedelta(seconds=pause or 0))}\n"
        f"  multiple_users_per_email: {str(several).lower()}\n"
    )


def _smtp(old: _Old) -> str:
    def text(name: str) -> str:
        return old.text(f"email.smtp.{name}", f"smtp.{name}")

    lines = ["smtp:"]
    if not text("host"):
        lines.append(
            "  # DECIDE: the server that takes our mail; the older configuration has none."
        )
    lines.append(f"  host: {_q(text('host') or 'localhost')}")
    port = old.number("smtp.port", "email.smtp.port", "smtp.port", most=65535) or 587
    security = (
        "starttls" if old.truth("email.smtp.use_tls", "smtp.use_tls", default=True) else "none"
    )
    if security == "starttls" and port == 465:
        security = "tls"
    lines += [f"  port: {port}", f"  security: {security}"]
    user, password = text("username"), text("password")
    if user and password:
        lines += [f"  username: {_q(user)}", f"  password: {_q(password)}"]
    elif user or password:
        old.notes.append("smtp: a log-in needs username and password; half a one is left out")
    senders = [each for each in (text("from"), user) if re.search(r"[^@\s]@[^@\s]", each)]
    sender = senders[0] if senders else ""
    if not sender:
        lines.append("  # DECIDE: whom the mails come from.")
        sender = f"no-reply@{old.text('homeserver')}"
    return "\n".join([*lines, f"  from: {_q(sender)}"]) + "\n"


def _mail(old: _Old) -> str:
    here = "email.templates.registration_token"
    subject = old.text(f"{here}.subject", "email_subject")
    lines = []
    if subject:
        left = sorted(set(re.findall(r"\{[^}]*\}", subject)) - {"{homeserver}"})
        if left:
            old.notes.append(f"the subject has {', '.join(left)}; ours knows {{homeserver}} alone")
        lines.append(f"  subject: {_q(' '.join(subject.split()))}")
    for name, paths in (
        ("token.txt", (f"{here}.body", "email_body")),
        ("token.html", (f"{here}.body_html", "email_body_html")),
    ):
        words = _words(old, old.text(*paths))
        if words:
            old.templates[name], left = translate_body(words)
            old.notes += [f"{name}: {note}" for note in left]
    if "token.html" in old.templates and "token.txt" not in old.templates:
        old.notes.append("there is no plain text of the mail; ours goes beside the HTML")
    if old.templates:
        lines.append(f"  templates: {TEMPLATES}")
    return "\n".join(["mail:", *lines]) + "\n" if lines else ""


def _words(old: _Old, text: str) -> str:
    """The body itself; in the nested layout it stands in a file that is named instead."""
    if not _TEMPLATE_FILE.fullmatch(text):
        return text
    try:
        return (old.base / text).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        old.notes.append(f"the mail template {old.base / text} cannot be read; ours stands")
        return ""


_BOT = """\
# DECIDE: the moderators' room, and an account of the bot's own in it. The older system's admin
# room is none: there the homeserver itself obeys. Without a bot the desk has no moderators.
# bot:
#   user: "@porter:{server}"
#   password_file: bot-password
#   room: "#moderators:{server}"
"""
