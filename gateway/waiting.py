"""What the room is told of a request that waits for a person's decision, and of how it ended."""

from datetime import datetime

from sqlalchemy import Connection

from gateway.rules.addresses import masked
from gateway.store import alerts
from gateway.store.alerts import outside
from gateway.store.registrations import Registration


def announce(connection: Connection, registration: Registration, now: datetime) -> None:
    """Ask the room for a decision, in the transaction that makes the request wait."""
    number = registration.id
    alerts.raise_alert(
        connection,
        _cause(number),
        f"Request {_who(registration)} waits for a decision:"
        f" `approve {number}` (✅) or `reject {number}` (❌)",
        now,
        actions=(("✅", f"approve {number}"), ("❌", f"reject {number}")),
    )


def settle(
    connection: Connection, registration: Registration, what: str, who: str, now: datetime
) -> None:
    """Let the message say how the request was decided, and by whom; no matter if there is none."""
    text = f"Request {_who(registration)} was {what} by {outside(who)}"
    alerts.end(connection, _cause(registration.id), now, text)


def _cause(number: int) -> str:
    return f"review {number}"


def _who(registration: Registration) -> str:
    return (
        f"{registration.id}, name {outside(registration.name)},"
        f" address {outside(masked(registration.email))},"
    )
