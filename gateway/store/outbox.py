"""The outbox: mails that are owed, leased to one courier at a time, kept until sent or given up."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import make_msgid

from sqlalchemy import Connection, and_, case, func, not_, or_, select

from gateway.store.prepared import Prepared
from gateway.store.schema import mails

# Longer than any delivery may take: twice the mail server's longest time limit, since the vigil's
# log-in may have to be waited for, and what the homeserver and the database take.
LEASE = timedelta(minutes=12)
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(minutes=15)
_UNSURE_PAUSE = timedelta(hours=1)  # before a mail goes out that may have arrived twice already
MOST_UNSURE = 3  # attempts that may all have arrived; a fourth would be a bombardment


@dataclass(frozen=True, slots=True)
class Mail:
    """One mail that is owed. Its Message-ID never changes, so that a repeat can be recognised.

    `unsure` of its attempts may have arrived. `text` is what somebody wrote for it.
    """

    id: int
    registration_id: int
    kind: str
    created_at: datetime
    due_at: datetime
    attempts: int
    unsure: int
    message_id: str
    text: str | None = None


_COLUMNS = tuple(mails.c[name] for name in Mail.__slots__)


def owe(
    connection: Connection,
    registration_id: int,
    domain: str,
    now: datetime,
    kind: str = "token",
    text: str | None = None,
) -> int:
    """Owe the applicant a mail, in the transaction that decides so; returns its number."""
    values = {
        "registration_id": registration_id,
        "kind": kind,
        "status": "queued",
        "created_at": now,
        "due_at": now,
        "attempts": 0,
        "unsure": 0,
        "message_id": make_msgid(domain=domain),
        "text": text,
    }
    return int(_OWE.first(connection, values)[0])


_OWED = (
    "registration_id",
    "kind",
    "status",
    "created_at",
    "due_at",
    "attempts",
    "unsure",
    "message_id",
    "text",
)
_OWE = Prepared(mails.insert().returning(mails.c.id), _OWED)


def claim(connection: Connection, most: int, now: datetime) -> list[Mail]:
    """Lease up to `most` due mails. A courier that died gives them back when its lease ends.

    Those that never failed come first: a server that is slow for some must not hold up the others.
    Times further ahead than we ever set them were written before the clock was set back: they
    count as over, so that a backward jump cannot jam the outbox.
    """
    ahead = and_(mails.c.due_at > now, mails.c.due_at <= now + 2 * _UNSURE_PAUSE)
    query = (
        select(*_COLUMNS)
        .where(
            mails.c.status == "queued",
            not_(ahead),  # said so, the first of a long queue are found by an index, unsorted
            or_(
                mails.c.leased_until.is_(None),
                mails.c.leased_until <= now,
                # Not `LEASE` alone: the caller's `now` is older than that of whom he waited for.
                mails.c.leased_until > now + 2 * LEASE,
            ),
        )
        .order_by(mails.c.due_at)
    )
    claimed: list[Mail] = []
    for turn in (mails.c.attempts == 0, mails.c.attempts > 0):
        if len(claimed) < most:
            rows = connection.execute(query.where(turn).limit(most - len(claimed)))
            claimed += [Mail(*row) for row in rows]
    if claimed:
        connection.execute(
            mails.update()
            .where(mails.c.id.in_([mail.id for mail in claimed]))
            .values(leased_until=now + LEASE)
        )
    return claimed


def release(connection: Connection, claimed: Sequence[Mail]) -> None:
    """Give mails back that were not delivered, without counting an attempt."""
    connection.execute(
        mails.update()
        .where(mails.c.id.in_([mail.id for mail in claimed]), mails.c.status == "queued")
        .values(leased_until=None)
    )


def release_all(connection: Connection, now: datetime) -> int:
    """Take up what couriers leased who were killed; returns how many mails.

    Each of them may have arrived. When it may have twice, it rests for an hour, so that a desk
    that is killed again and again sends nobody the same without end.
    """
    rests = mails.c.unsure > 0
    return connection.execute(
        mails.update()
        .where(mails.c.leased_until.is_not(None), mails.c.status == "queued")
        .values(
            leased_until=None,
            unsure=mails.c.unsure + 1,
            due_at=case((rests, now + _UNSURE_PAUSE), else_=mails.c.due_at),
        )
    ).rowcount


def sent(connection: Connection, mail: Mail, now: datetime) -> None:
    """The server took the mail."""
    _settle(connection, mail, status="sent", sent_at=now, last_error=None)


def failed(connection: Connection, mail: Mail, error: str) -> None:
    """The mail is given up; the desk may owe a new one by command."""
    _settle(connection, mail, status="failed", last_error=error)


def postponed(
    connection: Connection,
    mail: Mail,
    error: str,
    now: datetime,
    chance: Callable[[], float] = random.random,
    unsure: bool = False,
) -> datetime:
    """Try again later: pauses double from 30 seconds to 15 minutes, spread by half; says when.

    `unsure`: the mail may have arrived. When it may have twice, it rests for an hour.
    """
    count = mail.unsure + unsure
    pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * (1 << min(mail.attempts, 20)))
    if unsure and count > 1:
        pause = _UNSURE_PAUSE
    due_at = now + pause * (0.75 + chance() / 2)
    _settle(connection, mail, status="queued", due_at=due_at, unsure=count, last_error=error)
    return due_at


def put_off(
    connection: Connection,
    mail: Mail,
    error: str,
    now: datetime,
    chance: Callable[[], float] = random.random,
) -> datetime:
    """What the mail needs is not there yet, which is no failed attempt: it waits again for half as
    long as it did, at most 15 minutes, unless it is hurried, also meanwhile; says until when."""
    waited = max(timedelta(), now - mail.created_at)
    due_at = now + min(_LONGEST_PAUSE, _FIRST_PAUSE + waited / 2) * (0.75 + chance() / 2)
    is_hurried = connection.execute(
        select(mails.c.id).where(mails.c.id == mail.id, mails.c.due_at != mail.due_at)
    ).first()
    if is_hurried:
        due_at = now
    _settle(connection, mail, mail.attempts, status="queued", due_at=due_at, last_error=error)
    return due_at


def hurry(connection: Connection, registration_id: int | None, now: datetime) -> None:
    """What a registration's mail waited for is there, or what all mails did: they are due."""
    whose = () if registration_id is None else (mails.c.registration_id == registration_id,)
    # One that is under way may be about to find that it has to wait.
    waits = or_(mails.c.due_at > now, mails.c.leased_until.is_not(None))
    connection.execute(
        mails.update().where(mails.c.status == "queued", waits, *whose).values(due_at=now)
    )


def cancel(connection: Connection, registration_id: int) -> int:
    """Forget the mails that are still owed for a registration; returns how many."""
    return connection.execute(
        mails.update()
        .where(mails.c.registration_id == registration_id, mails.c.status == "queued")
        .values(status="cancelled")
    ).rowcount


def drop(connection: Connection, mail: Mail) -> None:
    """Forget one mail: what it would say is not true any more."""
    _settle(connection, mail, status="cancelled")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One mail's story so far, for whoever asks about its registration."""

    kind: str
    status: str
    created_at: datetime
    due_at: datetime
    attempts: int
    last_error: str | None
    sent_at: datetime | None


def history(connection: Connection, registration_id: int) -> list[Attempt]:
    """All mails of a registration, oldest first."""
    columns = (mails.c[name] for name in Attempt.__slots__)
    query = select(*columns).where(mails.c.registration_id == registration_id).order_by(mails.c.id)
    return [Attempt(*row) for row in connection.execute(query)]


def is_owed(connection: Connection, registration_id: int) -> bool:
    """Whether a mail is on its way already."""
    query = select(mails.c.id).where(
        mails.c.registration_id == registration_id, mails.c.status == "queued"
    )
    return connection.execute(query.limit(1)).first() is not None


def is_empty(connection: Connection) -> bool:
    """Whether no mail at all is owed."""
    query = select(mails.c.id).where(mails.c.status == "queued")
    return connection.execute(query.limit(1)).first() is None


def stuck(connection: Connection, attempts: int) -> bool:
    """Whether a mail is owed that failed so often."""
    query = select(mails.c.id).where(mails.c.status == "queued", mails.c.attempts >= attempts)
    return connection.execute(query.limit(1)).first() is not None


def depth(connection: Connection) -> tuple[int, datetime | None]:
    """How many mails are owed, and since when the oldest."""
    row = connection.execute(
        select(func.count(), func.min(mails.c.created_at)).where(mails.c.status == "queued")
    ).one()
    return row[0], row[1]


def _settle(
    connection: Connection, mail: Mail, attempts: int | None = None, **values: object
) -> None:
    """Note how an attempt ended; it counts as one unless `attempts` says otherwise."""
    counted = mail.attempts + 1 if attempts is None else attempts
    # A mail that was cancelled while it was on its way stays cancelled.
    connection.execute(
        mails.update()
        .where(mails.c.id == mail.id, mails.c.status == "queued")
        .values(attempts=counted, leased_until=None, **values)
    )
