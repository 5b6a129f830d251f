"""Doubts: every reason for which a person looks at a request before it is granted, as data.

An applicant never hears of them: moderators read code and detail. None of them depends on whether
his address is known, or the page would tell.
"""

from dataclasses import dataclass
from enum import StrEnum

from gateway.rules.addresses import EmailAddress
from gateway.rules.domains import Domains
from gateway.rules.limits import Limit
from gateway.rules.networks import IPAddress, neighbourhood


class DoubtCode(StrEnum):
    """Why a person looks, in the order in which a moderator reads it."""

    BAN = "ban"  # a ban line with `review`
    THROWAWAY_DOMAIN = "throwaway_domain"
    THROWAWAY_MAIL_SERVER = "throwaway_mail_server"
    NO_MAIL_SERVER = "no_mail_server"
    NEW_NETWORK = "new_network"
    MANY_REQUESTS = "many_requests"
    EVERY_REQUEST = "every_request"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason; `detail` names what it is about."""

    code: DoubtCode
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Caution:
    """What an operator wants to have looked at. Without `after` no number is too large."""

    all: bool = False
    new_networks: bool = False
    after: Limit | None = None


def doubts(
    caution: Caution,
    *,
    domains: Domains,
    bans: tuple[str, ...],
    ip: IPAddress,
    address: EmailAddress | None,
    network_is_new: bool,
    accepted: int,
) -> list[Doubt]:
    """Every reason to look at a request.

    `bans` are those with `review` that hit it, `accepted` is how many requests were accepted
    within the span of `caution.after`.
    """
    found = [Doubt(DoubtCode.BAN, ban) for ban in bans[:5]]
    listed = None if address is None else domains.thrown_away(address.domain, "review")
    if listed is not None:
        found.append(Doubt(DoubtCode.THROWAWAY_DOMAIN, listed))
    if caution.new_networks and network_is_new:
        found.append(Doubt(DoubtCode.NEW_NETWORK, str(neighbourhood(ip))))
    if caution.after is not None and not caution.after.allows(accepted):
        found.append(Doubt(DoubtCode.MANY_REQUESTS, f"more than {caution.after}"))
    if caution.all:
        found.append(Doubt(DoubtCode.EVERY_REQUEST))
    return found
