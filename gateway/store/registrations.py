"""Registrations: every request that was heard, also the refused ones, and what became of it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import (
    Connection,
    RowMapping,
    and_,
    func,
    or_,
    select,
)

from gateway.store.prepared import Prepared
from gateway.store.schema import registrations


class Status(StrEnum):
    """What became of a request."""

    REFUSED = "refused"  # the applicant was told why not
    REPEAT = "repeat"  # a known address: the applicant saw the usual page, nothing is mailed
    REVIEW = "review"  # accepted, if a moderator who looks at it agrees
    PENDING = "pending"  # accepted, the mail is owed
    MAILED = "mailed"  # a server took the mail
    FAILED = "failed"  # the mail was given up
    REJECTED = "rejected"  # a moderator or a new ban ended it
    REGISTERED = "registered"  # the account was seen on the homeserver


LIVE = (Status.PENDING, Status.MAILED, Status.FAILED)  # these hold their name
UNDECIDED = (Status.REVIEW, *LIVE)  # these may still become an account
KNOWN = (Status.REVIEW, Status.PENDING, Status.MAILED)  # these have, or will have, their mail
# A name that only unknown addresses hold, or that a rejection sets free, would give them away.
HOLDING = (*UNDECIDED, Status.REPEAT, Status.REJECTED)


@dataclass(frozen=True, slots=True)
class Request:
    """What an applicant sent, and from where. `network` is the /24 or /64 around `ip`."""

    name: str
    email: str
    email_key: str
    ip: str
    network: str
    language: str
    wide_network: str | None = None  # the /48 around an IPv6 address


@dataclass(frozen=True, slots=True)
class Registration:
    """A request as it was recorded, and what became of it. Times are aware UTC."""

    id: int
    created_at: datetime
    name: str
    email: str
    email_key: str
    ip: str
    network: str
    language: str
    status: Status
    refusals: tuple[Mapping[str, str], ...]
    reviews: tuple[Mapping[str, str], ...]
    name_checked: bool
    held_until: datetime
    token_id: int | None
    mailed_at: datetime | None
    registered_at: datetime | None
    account: str | None = None  # the name that was registered, when it is known
    proof: str | None = None  # what spoke for a person: `work`, `form`, or nothing

    @property
    def is_forgotten(self) -> bool:
        """Whether its address is kept no more: in place of its key stands a pseudonym."""
        return not self.email and self.email_key.startswith("#")


def add(
    connection: Connection,
    request: Request,
    status: Status,
    now: datetime,
    *,
    held_until: datetime,
    name_checked: bool,
    refusals: Sequence[Mapping[str, str]] = (),
    reviews: Sequence[Mapping[str, str]] = (),
    proof: str | None = None,
) -> int:
    """Record a request with the decision on it, and why; returns its number."""
    values = {name: getattr(request, name) for name in Request.__slots__} | {
        "domain": domain_of(request.email_key),
        "status": status,
        "created_at": now,
        "held_until": held_until,
        "name_checked": name_checked,
        "refusals": _written(refusals),
        "reviews": _written(reviews),
        "proof": proof,
    }
    return int(_ADD.first(connection, values)[0])


def _written(reasons: Sequence[Mapping[str, str]]) -> str:
    return json.dumps([dict(reason) for reason in reasons]) if reasons else "[]"


_DECIDED = ("status", "created_at", "held_until", "name_checked", "refusals", "reviews", "proof")
_ADDED = (*Request.__slots__, "domain", *_DECIDED)
_ADD = Prepared(registrations.insert().returning(registrations.c.id), _ADDED)


def mailed(connection: Connection, registration_id: int, token_id: int, now: datetime) -> None:
    """A server took the mail with this token."""
    connection.execute(
        registrations.update()
        .where(registrations.c.id == registration_id, registrations.c.status.in_(LIVE))
        .values(status=Status.MAILED, token_id=token_id, mailed_at=now)
    )


def become(
    connection: Connection,
    registration_id: int,
    status: Status,
    before: Sequence[Status] = LIVE,
) -> bool:
    """Move a registration on that is in one of the states `before`; False when it is in none."""
    moved = connection.execute(
        registrations.update()
        .where(registrations.c.id == registration_id, registrations.c.status.in_(before))
        .values(status=status)
    )
    return moved.rowcount == 1


def hold(connection: Connection, registration_id: int, until: datetime) -> None:
    """Hold the name until then, and let the homeserver be asked again whether it is free."""
    connection.execute(
        registrations.update()
        .where(registrations.c.id == registration_id)
        .values(held_until=until, name_checked=False)
    )


def rival(connection: Connection, registration: Registration, now: datetime) -> int | None:
    """Another registration that may become an account of the same name, or became it."""
    r = registrations.c
    query = select(r.id).where(
        r.name == registration.name,
        r.id != registration.id,
        or_(
            r.account == registration.name,
            and_(r.status.in_(UNDECIDED), r.held_until > now),
        ),
    )
    return connection.execute(query.order_by(r.id).limit(1)).scalar()


def waiting(connection: Connection, most: int) -> list[Registration]:
    """The registrations that wait for a moderator's decision, oldest first."""
    r = registrations.c
    query = select(registrations).where(r.status == Status.REVIEW).order_by(r.created_at, r.id)
    return [read(row) for row in connection.execute(query.limit(most)).mappings()]


def how_many_wait(connection: Connection) -> int:
    """How many registrations wait for a decision, however old."""
    query = select(func.count()).where(registrations.c.status == Status.REVIEW)
    return int(connection.execute(query).scalar_one())


def get(connection: Connection, registration_id: int) -> Registration | None:
    """One registration by its number."""
    query = select(registrations).where(registrations.c.id == registration_id)
    row = connection.execute(query).mappings().first()
    return None if row is None else read(row)


def every(connection: Connection) -> Iterator[Registration]:
    """All registrations, oldest first, read as they are asked for."""
    query = select(registrations).order_by(registrations.c.id)
    for row in connection.execution_options(yield_per=500).execute(query).mappings():
        yield read(row)


def counts(connection: Connection, since: datetime) -> dict[Status, int]:
    """How many registrations of each status came since then."""
    r = registrations.c
    query = select(r.status, func.count()).where(r.created_at >= since).group_by(r.status)
    return {Status(status): number for status, number in connection.execute(query)}


def awaiting_account(connection: Connection, since: datetime, most: int) -> list[Registration]:
    """Registrations whose account may appear, newest first.

    They were mailed since then; or they wait for a decision, and their names were free.
    """
    r = registrations.c
    query = (
        select(registrations)
        .where(
            or_(
                and_(r.status == Status.MAILED, r.mailed_at >= since),
                and_(r.status == Status.REVIEW, r.name_checked),
            )
        )
        .order_by(r.id.desc())
        .limit(most)
    )
    return [read(row) for row in connection.execute(query).mappings()]


def named(connection: Connection, names: Sequence[str]) -> list[tuple[str, int, Status]]:
    """The requests for some names, by name, number and status, newest first.

    Without those that became an account of another name.
    """
    r = registrations.c
    has_it = or_(r.account.is_(None), r.account == r.name)
    query = select(r.name, r.id, r.status).where(r.name.in_(names), has_it).order_by(r.id.desc())
    return [(name, number, Status(status)) for name, number, status in connection.execute(query)]


def mailed_with(connection: Connection, token_id: int) -> list[int]:
    """The numbers of the live registrations whose mail carried a token."""
    r = registrations.c
    query = select(r.id).where(r.token_id == token_id, r.status == Status.MAILED).order_by(r.id)
    return list(connection.execute(query).scalars())


def mailed_token(connection: Connection, registration_id: int) -> int | None:
    """The token in the mail of a registration that waits for its account."""
    r = registrations.c
    query = select(r.token_id).where(r.id == registration_id, r.status == Status.MAILED)
    return connection.execute(query).scalar()


def of_address(connection: Connection, keys: Sequence[str]) -> list[Registration]:
    """All requests with an address, by its key and its pseudonyms, newest first."""
    r = registrations.c
    query = select(registrations).where(r.email_key.in_(keys)).order_by(r.id.desc())
    return [read(row) for row in connection.execute(query).mappings()]


def claiming(connection: Connection, name: str) -> list[Registration]:
    """The requests whose account one of this name may be, newest first; and the one that it is of
    already."""
    r = registrations.c
    had_none = and_(r.status == Status.REGISTERED, or_(r.account.is_(None), r.account == r.name))
    query = select(registrations).where(r.name == name, or_(r.status.in_(UNDECIDED), had_none))
    return [read(row) for row in connection.execute(query.order_by(r.id.desc())).mappings()]


def registered(
    connection: Connection, registration_id: int, now: datetime, account: str | None = None
) -> bool:
    """An account was opened, under the name `account` as far as it is known.

    False when the registration had come to an end.
    """
    r = registrations.c
    moved = connection.execute(
        registrations.update()
        .where(r.id == registration_id, r.status.in_(UNDECIDED))
        .values(status=Status.REGISTERED, registered_at=now, account=account)
    )
    return moved.rowcount == 1


def name_account(connection: Connection, registration_id: int, account: str) -> None:
    """Which account a registration has become, when it was not known before."""
    r = registrations.c
    connection.execute(
        registrations.update()
        .where(r.id == registration_id, r.account.is_(None))
        .values(account=account)
    )


def domain_of(email_key: str) -> str:
    """What stands after the @: by this a domain's requests are found again."""
    return email_key.rpartition("@")[2]


def read(row: RowMapping) -> Registration:
    """A row of the table as a registration."""
    values = {name: row[name] for name in Registration.__slots__}
    values["status"] = Status(values["status"])
    values["refusals"] = tuple(json.loads(values["refusals"]))
    values["reviews"] = tuple(json.loads(values["reviews"]))
    return Registration(**values)
