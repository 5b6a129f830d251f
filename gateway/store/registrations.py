"""Registrations: every request that was heard, also the refused ones, and what became of it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import Connection, and_, func, not_, or_, select

from gateway.store.schema import registrations


class Status(StrEnum):
    """What became of a request."""

    REFUSED = "refused"  # the applicant was told why not
    REPEAT = "repeat"  # a known address: the applicant saw the usual page, nothing is mailed
    PENDING = "pending"  # accepted, the mail is owed
    MAILED = "mailed"  # a server took the mail
    FAILED = "failed"  # the mail was given up
    REJECTED = "rejected"  # a moderator or a new ban ended it
    REGISTERED = "registered"  # the account was seen on the homeserver


LIVE = (Status.PENDING, Status.MAILED, Status.FAILED)  # these hold their name
KNOWN = (Status.PENDING, Status.MAILED)  # these have, or will have, their mail


@dataclass(frozen=True, slots=True)
class Request:
    """What an applicant sent, and from where. `network` is the /24 or /64 around `ip`."""

    name: str
    email: str
    email_key: str
    ip: str
    network: str
    language: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What the desk already heard, as far as it matters for one request."""

    from_network: int
    in_all: int
    name_held: bool
    address_known: bool


def seen(
    connection: Connection,
    request: Request,
    now: datetime,
    *,
    network_within: timedelta,
    all_within: timedelta,
    cooldown: timedelta,
    one_account_per_address: bool,
) -> Seen:
    """Count and look up, in one statement of the deciding transaction.

    A name held by the same address from the same network is no hindrance (somebody pressed the
    button twice). From elsewhere it is, whatever address is given: answering by address would
    tell a stranger who asked for the name.
    """
    r = registrations.c
    from_network = (
        select(func.count())
        .where(
            r.network == request.network,
            r.created_at > now - network_within,
            r.created_at <= now,
        )
        .scalar_subquery()
    )
    in_all = (
        select(func.count())
        .where(r.created_at > now - all_within, r.created_at <= now)
        .scalar_subquery()
    )
    held = (
        select(r.id)
        .where(
            r.name == request.name,
            r.held_until > now,
            r.status.in_(LIVE),
            not_(and_(r.email_key == request.email_key, r.network == request.network)),
        )
        .exists()
    )
    known = and_(r.status.in_(KNOWN), r.created_at > now - cooldown)
    if one_account_per_address:
        known = or_(
            known,
            r.status == Status.REGISTERED,
            and_(r.status.in_(KNOWN), r.held_until > now),
        )
    address = select(r.id).where(r.email_key == request.email_key, known).exists()
    row = connection.execute(select(from_network, in_all, held, address)).one()
    return Seen(int(row[0]), int(row[1]), bool(row[2]), bool(row[3]))


def add(
    connection: Connection,
    request: Request,
    status: Status,
    now: datetime,
    *,
    held_until: datetime,
    name_checked: bool,
    refusals: Sequence[Mapping[str, str]] = (),
) -> int:
    """Record a request with the decision on it; returns its number."""
    added = registrations.insert().values(
        **{name: getattr(request, name) for name in Request.__slots__},
        status=status,
        created_at=now,
        held_until=held_until,
        name_checked=name_checked,
        refusals=json.dumps([dict(refusal) for refusal in refusals]),
    )
    return int(connection.execute(added.returning(registrations.c.id)).scalar_one())


def mailed(connection: Connection, registration_id: int, token_id: int, now: datetime) -> None:
    """A server took the mail with this token."""
    connection.execute(
        registrations.update()
        .where(registrations.c.id == registration_id, registrations.c.status.in_(LIVE))
        .values(status=Status.MAILED, token_id=token_id, mailed_at=now)
    )


def become(connection: Connection, registration_id: int, status: Status) -> bool:
    """Move a live registration on; False when it was not live any more."""
    moved = connection.execute(
        registrations.update()
        .where(registrations.c.id == registration_id, registrations.c.status.in_(LIVE))
        .values(status=status)
    )
    return moved.rowcount == 1
