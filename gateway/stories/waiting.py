"""What the room is told of a request that waits for a person's decision, and of how it ended.

Each has a message of its own with both answers at hand, until there are too many: then one
message counts the others, and `review` lists them all.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.rules.addresses import masked
from gateway.rules.doubts import DoubtCode
from gateway.store import alerts, registrations
from gateway.store.alerts import outside
from gateway.store.lookback import Earlier
from gateway.store.registrations import Registration, Status

_KIND = "review"
_CROWD = f"{_KIND} crowd"
_MOST_MESSAGES = 10  # of their own, within an hour
_HOUR = timedelta(hours=1)

WHY = {
    DoubtCode.BAN: "a ban asks for a look",
    DoubtCode.THROWAWAY_DOMAIN: "throw-away domain",
    DoubtCode.THROWAWAY_MAIL_SERVER: "its mail goes to a throw-away domain",
    DoubtCode.NO_MAIL_SERVER: "nobody takes mail for its domain",
    DoubtCode.NEW_NETWORK: "nobody came from its network yet",
    DoubtCode.MANY_REQUESTS: "many requests",
    DoubtCode.EVERY_REQUEST: "every request is looked at",
}


def announce(
    connection: Connection, registration: Registration, past: Earlier, now: datetime
) -> None:
    """Ask the room for a decision, in the transaction that makes the request wait."""
    number = registration.id
    if alerts.asked(connection, _KIND, now - _HOUR) >= _MOST_MESSAGES:
        text = "More requests wait for a decision than have a message: `review` lists them all"
        alerts.raise_alert(connection, _CROWD, text, now, quiet=None)
        return
    text = (
        f"Request {number} waits for a decision: name {outside(registration.name)},"
        f" address {outside(masked(registration.email))}, network {outside(registration.network)},"
        f" language {outside(registration.language)}\n"
        f"Looked at because: {_reasons(registration)}\n"
        f"Earlier from its network: {told(past.network)}; from its domain: {told(past.domain)};"
        f" from its address: {told(past.address)}"
    )
    actions = (("✅", f"approve {number}"), ("❌", f"reject {number}"))
    alerts.raise_alert(connection, f"{_KIND} {number}", text, now, quiet=None, actions=actions)


def settle(
    connection: Connection,
    registration: Registration,
    what: str,
    who: str,
    now: datetime,
    reason: str = "",
) -> None:
    """Let the message say how the request was decided, and by whom; no matter if there is none."""
    number = registration.id
    text = (
        f"Request {number}, name {outside(registration.name)},"
        f" address {outside(masked(registration.email))}, was {what} by {outside(who)}"
    )
    text += f": {outside(reason)}" if reason else ""
    alerts.end(connection, f"{_KIND} {number}", now, text)
    if not registrations.waiting(connection, 1):
        alerts.end(connection, _CROWD, now, "All requests that waited are decided")


def told(counts: Mapping[Status, int]) -> str:
    """`3 (2 registered, 1 refused)`, or `none`."""
    if not counts:
        return "none"
    parts = ", ".join(f"{number} {status}" for status, number in sorted(counts.items()))
    return f"{sum(counts.values())} ({parts})"


def why(review: Mapping[str, str]) -> tuple[str, str]:
    """Why a request is looked at, as it was recorded: our words, and what they are about."""
    return WHY.get(DoubtCode(review["code"]), ""), review["detail"]


def _reasons(registration: Registration) -> str:
    reasons = []
    for review in registration.reviews:
        words, detail = why(review)
        reasons.append(f"{words}, {outside(detail)}" if detail else words)
    return "; ".join(reasons) or "a decision was taken back"
