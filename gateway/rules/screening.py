"""Screening: every reason for which a request is refused, as data.

The web turns a code into public words; moderators read the detail. Nothing here decides what a
person sees, and nothing here asks the clock, the disk or the network.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from gateway.rules.addresses import EmailAddress, parse_address
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Kind
from gateway.rules.domains import EVERYBODY, Domains
from gateway.rules.evidence import NO_EVIDENCE, Evidence
from gateway.rules.limits import Crowd, Scope
from gateway.rules.names import parse_name
from gateway.rules.networks import IPAddress
from gateway.rules.opening import Opening


class Code(StrEnum):
    """Why a request is refused, in the order in which an applicant should hear of it."""

    CLOSED = "closed"
    TOO_MANY_FROM_NETWORK = "too_many_from_network"
    TOO_MANY_FROM_DOMAIN = "too_many_from_domain"
    TOO_MANY_IN_ALL = "too_many_in_all"
    TOO_MANY_MAILS_WAIT = "too_many_mails_wait"
    TOO_MANY_UNPROVEN = "too_many_unproven"
    NOT_PROVEN = "not_proven"
    PROOF_EXPIRED = "proof_expired"
    PROOF_USED = "proof_used"
    TOO_FAST = "too_fast"
    BAIT_TAKEN = "bait_taken"  # nobody is told
    NAME_MALFORMED = "name_malformed"
    EMAIL_MALFORMED = "email_malformed"
    NETWORK_BANNED = "network_banned"
    EMAIL_BANNED = "email_banned"
    EMAIL_ELSEWHERE = "email_elsewhere"
    EMAIL_THROWAWAY = "email_throwaway"
    NAME_BANNED = "name_banned"
    NAME_HELD = "name_held"
    NAME_TAKEN = "name_taken"


def in_words(code: str) -> str:
    """A reason as people read it: `network banned`."""
    return code.replace("_", " ")


FIELDS = {
    Code.NAME_MALFORMED: "requested_username",
    Code.NAME_BANNED: "requested_username",
    Code.NAME_HELD: "requested_username",
    Code.NAME_TAKEN: "requested_username",
    Code.EMAIL_MALFORMED: "email",
    Code.EMAIL_BANNED: "email",
    Code.EMAIL_ELSEWHERE: "email",
    Code.EMAIL_THROWAWAY: "email",
}


_BANNED = {
    Kind.IP: Code.NETWORK_BANNED,
    Kind.EMAIL: Code.EMAIL_BANNED,
    Kind.NAME: Code.NAME_BANNED,
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason. `detail` is for moderators; `hint`, where there is one, is the applicant's."""

    code: Code
    detail: str
    hint: str = ""
    retry_after: timedelta | None = None

    @property
    def field(self) -> str | None:
        """The form's field that is at fault, if one is."""
        return FIELDS.get(self.code)


@dataclass(frozen=True, slots=True)
class Application:
    """What somebody sent through the form, unread, and from where."""

    name: str
    email: str
    ip: IPAddress
    language: str = "en"
    evidence: Evidence = NO_EVIDENCE


@dataclass(frozen=True, slots=True)
class Screened:
    """An application as far as it could be read, what speaks against it, and the bans it met.

    Without a refusal, those are the bans that ask for a person's look instead of refusing.
    """

    name: str | None
    address: EmailAddress | None
    refusals: tuple[Refusal, ...]
    met: tuple[tuple[Kind, str], ...] = ()


def screen(
    application: Application,
    *,
    server_name: str,
    book: BanBook,
    opening: Opening,
    now: datetime,
    domains: Domains = EVERYBODY,
) -> Screened:
    """Everything that speaks against an application and can be known without asking anybody."""
    name, address = None, None
    refusals = []
    if not opening.is_open:
        wait = None if opening.changes_at is None else opening.changes_at - now
        refusals.append(Refusal(Code.CLOSED, opening.message or "before a rotation", "", wait))
    try:
        name = parse_name(application.name, server_name)
    except ValueError as error:
        refusals.append(Refusal(Code.NAME_MALFORMED, str(error), str(error)))
    try:
        address = parse_address(application.email)
    except ValueError as error:
        refusals.append(Refusal(Code.EMAIL_MALFORMED, str(error), str(error)))
    found = hits(book, application.ip, address, name, now)
    refusals += _refusing(book, found)
    if address is not None:
        refusals += _unwelcome(domains, address.domain)
    met = [(kind, value) for kind, values in found.items() for value in values]
    return Screened(name, address, tuple(refusals), tuple(met))


def _unwelcome(domains: Domains, domain: str) -> list[Refusal]:
    if not domains.are_open_to(domain):
        return [Refusal(Code.EMAIL_ELSEWHERE, domain)]
    listed = domains.thrown_away(domain, "refuse")
    return [] if listed is None else [Refusal(Code.EMAIL_THROWAWAY, listed)]


def banned(
    book: BanBook,
    ip: IPAddress | None,
    address: EmailAddress | None,
    name: str | None,
    now: datetime,
) -> list[Refusal]:
    """One refusal for each kind of ban that hits; its detail names the bans."""
    return _refusing(book, hits(book, ip, address, name, now))


def _refusing(book: BanBook, found: dict[Kind, list[str]]) -> list[Refusal]:
    refusals = []
    for kind, values in found.items():
        refusing = [value for value in values if not book.only_reviews(kind, value)]
        if refusing:
            refusals.append(Refusal(_BANNED[kind], ", ".join(refusing[:5])))
    return refusals


def hits(
    book: BanBook,
    ip: IPAddress | None,
    address: EmailAddress | None,
    name: str | None,
    now: datetime,
) -> dict[Kind, list[str]]:
    """The bans that hit, those that only ask for a look too."""
    return {
        Kind.IP: [] if ip is None else book.networks(ip, now),
        Kind.EMAIL: [] if address is None else book.addresses(address, now),
        Kind.NAME: [] if name is None else book.names(name, now),
    }


_CROWDED = {Scope.DOMAIN: Code.TOO_MANY_FROM_DOMAIN, Scope.ALL: Code.TOO_MANY_IN_ALL}


def crowded(crowds: Sequence[Crowd], now: datetime) -> list[Refusal]:
    """Refusals for the limits that are used up.

    But for a mailbox's own: refused for that, a stranger would learn that somebody else asked.
    """
    return [
        Refusal(
            _CROWDED.get(each.scope, Code.TOO_MANY_FROM_NETWORK),
            f"{each.limit.count} {each.whose}, the limit is {each.limit}",
            "",
            each.room_at - now,
        )
        for each in crowds
        if each.scope is not Scope.EMAIL
    ]
