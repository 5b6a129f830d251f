"""E-mail addresses: read once, compared the way their providers deliver them.

`key` is the address under which two spellings of one mailbox meet: case folded, under one
domain where a provider has several for one mailbox, and without what the provider ignores: what
follows a plus sign, dots, hyphens. Nothing is folded that could be two people.
"""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

from email_validator import EmailNotValidError, validate_email

LONGEST = 254  # characters; RFC 5321 4.5.3.1.3 with its angle brackets

_DOMAIN = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,62})(?:\.[a-z0-9_-]{1,63})*")

_PROTON = frozenset({"proton.me", "protonmail.com", "protonmail.ch", "pm.me"})
# Each mailbox has all of them: https://yandex.com/support/domain/additional/mailbox-alias.xml
_YANDEX = frozenset({"yandex.ru", "yandex.com", "yandex.by", "yandex.kz", "yandex.ua", "ya.ru"})
_SAME = {
    "googlemail.com": "gmail.com",
    **dict.fromkeys(_PROTON, "proton.me"),
    **dict.fromkeys(_YANDEX, "yandex.ru"),
}
# Characters that stand in a name for the looks alone.
_IGNORED = {
    **dict.fromkeys(("gmail.com", "googlemail.com"), "."),
    **dict.fromkeys(_PROTON, ".-_"),  # canonicalizeInternalEmail in Proton's own web clients
}
_PLUS = frozenset(
    {
        *_IGNORED,
        *_YANDEX,
        *("outlook.com", "hotmail.com", "live.com", "msn.com", "outlook.de", "outlook.fr"),
        *("hotmail.co.uk", "hotmail.fr", "live.co.uk"),
        *("icloud.com", "me.com", "mac.com"),
        *("fastmail.com", "fastmail.fm", "posteo.de", "posteo.net", "mailbox.org", "zoho.com"),
    }
)
_FOR_EVERYBODY = _PLUS | {
    *("yahoo.com", "yahoo.co.uk", "yahoo.fr", "yahoo.de", "yahoo.co.jp", "ymail.com"),
    *(
        "aol.com",
        "gmx.de",
        "gmx.net",
        "gmx.com",
        "gmx.at",
        "gmx.ch",
        "web.de",
        "t-online.de",
        "mail.com",
    ),
    *("freenet.de", "arcor.de", "orange.fr", "wanadoo.fr", "free.fr", "laposte.net", "sfr.fr"),
    *("libero.it", "virgilio.it", "tutanota.com", "tuta.io", "tuta.com", "disroot.org"),
    *("riseup.net", "hey.com", "startmail.com", "runbox.com", "comcast.net", "verizon.net"),
    *("att.net", "bellsouth.net", "sbcglobal.net", "cox.net", "rogers.com", "btinternet.com"),
    *("mail.ru", "bk.ru", "inbox.ru", "list.ru", "ukr.net"),
    *("rambler.ru", "qq.com", "foxmail.com", "163.com", "126.com", "sina.com", "naver.com"),
    *("daum.net", "rediffmail.com", "uol.com.br", "bol.com.br", "terra.com.br", "seznam.cz"),
    *("wp.pl", "o2.pl", "onet.pl", "interia.pl", "abv.bg", "simplelogin.com", "duck.com"),
}


@dataclass(frozen=True, slots=True)
class EmailAddress:
    """`text` is what mail is sent to; `domain` is ASCII and lower case."""

    text: str
    local: str
    domain: str
    key: str


def parse_address(text: str) -> EmailAddress:
    """Read one address. Raises ValueError with one sentence for the person who typed it."""
    text = text.strip()
    if len(text) > LONGEST:
        raise ValueError(f"An e-mail address has at most {LONGEST} characters.")
    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    if found.ascii_domain is None:
        raise ValueError("The part after the @ is no domain name.")
    domain = found.ascii_domain.lower()
    return EmailAddress(
        text=f"{found.local_part}@{domain}",
        local=found.local_part,
        domain=domain,
        key=address_key(found.local_part, domain),
    )


def address_key(local: str, domain: str) -> str:
    """Under which key `local@domain` (an ASCII domain) is kept and compared."""
    local, domain = folded(local), domain.lower()
    if domain in _PLUS:
        # A tag alone ("+x@") is no mailbox there, so it is left as it stands.
        local = local.partition("+")[0] or local
    ignored = dict.fromkeys(map(ord, _IGNORED.get(domain, "")))
    return f"{local.translate(ignored) or local}@{_SAME.get(domain, domain)}"


def parse_domain(text: str) -> str:
    """A domain name as addresses are compared with it: ASCII, lower case. Raises ValueError."""
    domain = text.rstrip(".").lower()
    if not domain.isascii():
        # As the addresses that it will be compared with: there are two ways to write "ß" in ASCII.
        try:
            domain = parse_address(f"a@{domain}").domain
        except ValueError:
            domain = ""
    if not _DOMAIN.fullmatch(domain):
        raise ValueError(f"{text[:60]!r} is no domain name")
    return domain


def parent_among(domain: str, listed: Collection[str]) -> str | None:
    """The listed domain that an ASCII domain is, or lies below; None when there is none."""
    labels = domain.lower().split(".")
    parents = (".".join(labels[at:]) for at in range(len(labels)))
    return next((parent for parent in parents if parent in listed), None)


def is_for_everybody(domain: str) -> bool:
    """Whether so many people have their mail at `domain` that nobody wants to ban it whole."""
    return domain in _FOR_EVERYBODY


def masked(email: str) -> str:
    """An address that can be recognised but not collected."""
    if not email:
        return ""
    local, at, domain = email.rpartition("@")
    return f"{local[:1]}…{at}{domain}" if at else f"{email[:1]}…"


def folded(text: str) -> str:
    """`text` without regard to case, nor to how its accents are written."""
    if text.isascii():
        return text.lower()
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())
