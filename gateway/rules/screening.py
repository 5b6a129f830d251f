"""Screening: every reason for which a request is refused, as data.

The web turns a code into public words; moderators read the detail. Nothing here decides what a
person sees, and nothing here asks the clock, the disk or the network.
"""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

IPAddress = IPv4Address | IPv6Address


class Code(StrEnum):
    """Why a request is refused, in the order in which an applicant should hear of it."""

    CLOSED = "closed"
    TOO_MANY_FROM_NETWORK = "too_many_from_network"
    TOO_MANY_IN_ALL = "too_many_in_all"
    NAME_MALFORMED = "name_malformed"
    EMAIL_MALFORMED = "email_malformed"
    NETWORK_BANNED = "network_banned"
    EMAIL_BANNED = "email_banned"
    NAME_BANNED = "name_banned"
    NAME_HELD = "name_held"
    NAME_TAKEN = "name_taken"


FIELDS = {
    Code.NAME_MALFORMED: "requested_username",
    Code.NAME_BANNED: "requested_username",
    Code.NAME_HELD: "requested_username",
    Code.NAME_TAKEN: "requested_username",
    Code.EMAIL_MALFORMED: "email",
    Code.EMAIL_BANNED: "email",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason. `detail` is for moderators, `hint` (malformed fields only) for the applicant."""

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
