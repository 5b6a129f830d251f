"""What the room is told of accounts that came past the desk, or not as they were asked for.

Each kind has one message, which counts and names the last: thousands of accounts at once are a
handful of messages. What is known of each stands in the message's thread.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.store import accounts, alerts, audit, registrations
from gateway.store.accounts import Sighting
from gateway.store.alerts import outside
from gateway.store.audit import PORTER
from gateway.store.registrations import Registration

UNKNOWN, OTHER_NAME, TOKEN = "unknown account", "account name", "account token"
_MUTE = ("🔇", "mute {id} --for 1d")
_LIST = ("📋", "unknown accounts --since 1d")
_MOST_NAMED = 5


@dataclass(frozen=True, slots=True)
class Stranger:
    """An account that belongs to no request, and what it may be all the same."""

    sighting: Sighting
    maybe: tuple[str, ...] = ()
    is_admin: bool = False


def report(connection: Connection, strangers: Sequence[Stranger], now: datetime) -> None:
    """Accounts were opened under names that nobody asked for: write it down, and tell the room."""
    new = [each for each in strangers if accounts.settle(connection, each.sighting.name, now)]
    if not new:
        return
    for each in new:
        subject = f"account {each.sighting.name}"
        reason = ", ".join(each.maybe) or None
        audit.note(connection, PORTER, "unknown account", subject, now, reason=reason)
    last = _names([each.sighting.name for each in new])
    text = f"Accounts were opened past the desk, the last of them {last}"
    details = [_detail(connection, each) for each in new]
    alerts.raise_alert(
        connection,
        UNKNOWN,
        text,
        now,
        count=len(new),
        details=details,
        actions=(_LIST, _MUTE),
    )


def tell_other_name(
    connection: Connection,
    registration: Registration,
    account: str | None,
    candidates: Sequence[str],
    now: datetime,
) -> None:
    """An applicant used his token for another name than he asked for."""
    asked = f"Request {registration.id} asked for {outside(registration.name)}"
    if account is not None:
        text = f"{asked}, and its token opened the account {outside(account)}"
    elif candidates:
        text = f"{asked}, and its token opened another account: one of {_names(candidates)}"
    else:
        text = f"{asked}, and its token opened another account; under which name is not known"
    alerts.raise_alert(connection, OTHER_NAME, text, now, detail=text, actions=(_MUTE,))


def tell_not_his(connection: Connection, registration: Registration, now: datetime) -> None:
    """A name appeared, and the token that was mailed for it was not used."""
    text = (
        f"The account {outside(registration.name)} of request {registration.id} is there, and the"
        " token mailed for it was not used: somebody else may have taken the name"
    )
    alerts.raise_alert(connection, TOKEN, text, now, detail=text, actions=(_MUTE,))


def tell_overused(
    connection: Connection, registration: Registration, used: int, now: datetime
) -> None:
    """A token for one account opened several, all at the same time."""
    text = (
        f"The token of request {registration.id}, name {outside(registration.name)}, was for one"
        f" account and opened {used}"
    )
    alerts.raise_alert(connection, TOKEN, text, now, detail=text, actions=(_MUTE, _LIST))


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(map(outside, names[-_MOST_NAMED:]))
    return f"{shown} and {len(names) - _MOST_NAMED} more" if names[_MOST_NAMED:] else shown


def _detail(connection: Connection, stranger: Stranger) -> str:
    each = stranger.sighting
    known = [f"{outside(each.name)} at {each.at:%Y-%m-%d %H:%M} UTC"]
    known += [f"from {outside(each.network)}"] if each.network else []
    known += ["admin"] if stranger.is_admin else []
    known += [
        f"request {number} for this name is {status}"
        for _, number, status in registrations.named(connection, [each.name.lower()])[:1]
    ]
    return ", ".join((*known, *stranger.maybe))
