"""Registrations of an older desk, each taken over once however often the import is repeated.

What makes two of them the same is name, address and time: the older system kept no number.
"""

from datetime import datetime

from sqlalchemy import Connection, select

from gateway.store.registrations import Request, Status, add
from gateway.store.schema import registrations


def is_taken_over(connection: Connection, name: str, email: str, at: datetime) -> bool:
    """Whether this registration is here already."""
    r = registrations.c
    same = r.email.in_((email, ""))  # one that was forgotten does not come back
    query = select(r.id).where(r.name == name, same, r.created_at == at).limit(1)
    return connection.execute(query).first() is not None


def take_over(connection: Connection, request: Request, at: datetime, held_until: datetime) -> bool:
    """Record a request that the older desk answered with a mail at `at`, unless it is here."""
    if is_taken_over(connection, request.name, request.email, at):
        return False
    number = add(connection, request, Status.MAILED, at, held_until=held_until, name_checked=True)
    mailed = registrations.update().where(registrations.c.id == number).values(mailed_at=at)
    connection.execute(mailed)
    return True
