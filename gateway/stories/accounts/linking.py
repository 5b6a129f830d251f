"""The story's end: an account is of a request, and what was left of its token is burnt."""

from datetime import datetime

from sqlalchemy import Connection

from gateway.store import accounts, audit, outbox, registrations, tokens
from gateway.store.audit import PORTER
from gateway.store.registrations import Registration, Status
from gateway.stories.waiting import settle


def link(
    connection: Connection, registration: Registration, account: str | None, now: datetime
) -> bool:
    """A request has become an account, of that name if it is known.

    Its token is due to be revoked, and what was to be mailed or decided is over. False when it had
    come to an end before.
    """
    number = registration.id
    if account is not None:
        accounts.settle(connection, account, now, number)
    if not registrations.registered(connection, number, now, account):
        if account is not None:
            registrations.name_account(connection, number, account)
        return False
    other = account if account != registration.name else None
    subject = f"registration {number}"
    audit.note(connection, PORTER, "account appeared", subject, now, after=other)
    outbox.cancel(connection, number)
    if registration.status is Status.REVIEW:  # somebody opened it for him, by another way
        settle(connection, registration, "found registered", PORTER.who, now)
    own = tokens.of(connection, number)
    if own is not None:
        tokens.withdraw(connection, own.id, now)
    return True


def owner(connection: Connection, account: str) -> Registration | None:
    """The request that became an account; none while only its name was asked for."""
    seen = accounts.get(connection, account)
    if seen is not None and seen.registration_id is not None:
        return registrations.get(connection, seen.registration_id)
    claiming = registrations.claiming(connection, account.lower())
    return next((each for each in claiming if each.account == account), None)
