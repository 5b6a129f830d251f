"""Retention: which rows are kept no longer, and what becomes of them: deleted, or blanked.

A request that may still become an account is left alone. Everything is found by what it is, not by
a mark, so that whoever is stopped half-way goes on where he was. The newest row of a table is never
deleted: SQLite would give its number to another, and the audit and the room name things by theirs.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Table,
    Text,
    and_,
    func,
    literal_column,
    not_,
    or_,
    select,
)

from gateway.store.registrations import Status
from gateway.store.room_schema import alerts, events, notes, offers, questions
from gateway.store.schema import (
    accounts,
    audit,
    mails,
    orders,
    registrations,
    restrictions,
    spent,
    tokens,
    unwanted,
)
from gateway.store.tokens import lives

_LOOKED_AT = 20_000  # rows in one look: some ten ms
_LONGER = timedelta(days=1)  # beyond its end: a clock that is set back revives no human check
_AT_ONCE = 50  # rows in one change: with a million rows it holds the writer for some ten ms

# The plus keeps SQLite from reading all of a state by its index: the row's number finds it.
_STATUS = literal_column("+registrations.status", Text)

Pseudonym = Callable[[str], str]  # of an address's key
_Change = Callable[[Connection, Sequence[int], Pseudonym], None]


@dataclass(frozen=True, slots=True)
class Stale:
    """Rows of one table whose time is over, and what is done to them."""

    what: str
    table: Table
    is_due: ColumnElement[bool]
    change: _Change

    @property
    def row(self) -> ColumnElement[int]:
        """The number by which SQLite knows a row, whatever the table's own key."""
        return literal_column(f"{self.table.name}.rowid", Integer)


def stale(spans: Mapping[str, timedelta | None], now: datetime) -> list[Stale]:
    """All that is kept too long, by the spans of the settings' section; `talk` is what the room
    leaves, `replies` those of the homeserver's admin room, which may hold tokens."""
    before = {key: now - span for key, span in spans.items() if span is not None}
    kinds = [
        *_requests(before, now),
        *((key, table, due, _delete(table)) for key, table, due in _deleted(before, now)),
    ]
    return [Stale(what, table, due, change) for what, table, due, change in kinds]


def _requests(
    before: Mapping[str, datetime], now: datetime
) -> list[tuple[str, Table, ColumnElement[bool], _Change]]:
    r, ended = registrations.c, _has_ended(now)
    last = func.coalesce(r.registered_at, r.mailed_at, r.created_at)
    found: list[tuple[str, Table, ColumnElement[bool], _Change]] = []
    if at := before.get("refused"):
        of_account = select(accounts.c.name).where(accounts.c.registration_id == r.id).exists()
        is_over = and_(
            _STATUS.in_((Status.REFUSED, Status.REPEAT)), r.held_until <= now, not_(of_account)
        )
        found.append(("refused", registrations, and_(is_over, r.created_at < at), _delete_requests))
    if at := before.get("addresses"):
        due = and_(r.email != "", last < at, ended)
        found.append(("addresses", registrations, due, blank_addresses))
    if at := before.get("ips"):
        due = and_(r.ip != "", r.created_at < at, ended)
        found.append(("ips", registrations, due, blank_ips))
        seen = and_(accounts.c.ip.is_not(None), accounts.c.seen_at < at)
        found.append(("ips", accounts, seen, _blank(accounts, ip=None)))
    if at := before.get("networks"):
        due = and_(r.network != "", r.created_at < at, ended)
        blank = _blank(registrations, network="", wide_network=None)
        found.append(("networks", registrations, due, blank))
        seen = and_(accounts.c.network.is_not(None), accounts.c.seen_at < at)
        found.append(("networks", accounts, seen, _blank(accounts, network=None)))
    return found


def _deleted(
    before: Mapping[str, datetime], now: datetime
) -> list[tuple[str, Table, ColumnElement[bool]]]:
    found: list[tuple[str, Table, ColumnElement[bool]]] = [
        ("spent", spent, spent.c.until < now - _LONGER)
    ]
    if at := before.get("alerts"):
        found.append(("alerts", alerts, alerts.c.ended_at < at))
    if at := before.get("audit"):
        done = or_(restrictions.c.done_at < at, restrictions.c.dropped_at < at)
        entries = (restrictions.c.entry, unwanted.c.entry)
        needed = or_(*(select(each).where(each == audit.c.id).exists() for each in entries))
        found += [
            ("restrictions", restrictions, done),
            ("audit", audit, and_(audit.c.at < at, not_(needed))),
            ("notes", notes, notes.c.at < at),
        ]
    if at := before.get("talk"):
        lasting = select(alerts.c.event_id).where(
            alerts.c.ended_at.is_(None), alerts.c.event_id.is_not(None)
        )
        found += [
            ("events", events, and_(events.c.at < at, events.c.answered_at.is_not(None))),
            ("offers", offers, and_(offers.c.at < at, offers.c.event_id.not_in(lasting))),
            ("questions", questions, questions.c.at < at),
            ("orders", orders, orders.c.discarded_at < at),  # no reply comes any more
        ]
    if at := before.get("replies"):
        wish = and_(tokens.c.value == orders.c.key, tokens.c.issued_at.is_(None))
        is_needed = select(tokens.c.id).where(wish).exists()
        found.append(("replies", orders, and_(orders.c.answered_at < at, not_(is_needed))))
    return found


def _has_ended(now: datetime) -> ColumnElement[bool]:
    """A request of which nothing becomes any more, and about which no mail is owed."""
    r = registrations.c
    own = select(tokens.c.id).where(tokens.c.registration_id == r.id, lives(now)).exists()
    owed = select(mails.c.id).where(mails.c.registration_id == r.id, mails.c.status == "queued")
    is_awaited = and_(r.status == Status.MAILED, or_(r.held_until > now, own))
    return and_(
        r.status.not_in((Status.REVIEW, Status.PENDING)), not_(is_awaited), not_(owed.exists())
    )


def look(connection: Connection, kind: Stale, after: int) -> tuple[list[int], int | None]:
    """The next rows after a number that are due, and how far was looked; None at the end."""
    newest = connection.execute(select(func.max(kind.row)).select_from(kind.table)).scalar() or 0
    until = after + _LOOKED_AT
    query = select(kind.row).where(kind.row > after, kind.row <= until, kind.is_due)
    found = [*connection.execute(query.order_by(kind.row).limit(_AT_ONCE)).scalars()]
    if len(found) == _AT_ONCE:
        return found, found[-1]
    return found, None if until >= newest else until


def carry_out(
    connection: Connection, kind: Stale, numbers: Sequence[int], pseudonym: Pseudonym
) -> int:
    """Delete or blank these rows, as far as they are still due; returns how many were."""
    query = select(kind.row).where(kind.row.in_(numbers), kind.is_due)
    due = [*connection.execute(query).scalars()]
    if due:
        kind.change(connection, due, pseudonym)
    return len(due)


def _delete(table: Table) -> _Change:
    row = literal_column(f"{table.name}.rowid", Integer)
    is_numbered = isinstance(table.primary_key.columns[0].type, Integer)

    def delete(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
        query = table.delete().where(row.in_(numbers))
        if is_numbered:
            query = query.where(row < select(func.max(row)).select_from(table).scalar_subquery())
        connection.execute(query)

    return delete


def _blank(table: Table, **values: Any) -> _Change:
    row = literal_column(f"{table.name}.rowid", Integer)

    def blank(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
        connection.execute(table.update().where(row.in_(numbers)).values(values))

    return blank


def _delete_requests(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
    """With what hangs on them, which is little: nothing is mailed for a refused request."""
    subjects = [f"registration {number}" for number in numbers]
    connection.execute(notes.delete().where(notes.c.subject.in_(subjects)))
    connection.execute(mails.delete().where(mails.c.registration_id.in_(numbers)))
    _delete(registrations)(connection, numbers, pseudonym)


def blank_addresses(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
    """In the address's place its pseudonym is kept, which goes on to be one account's.

    Its domain goes too, which may be one person's. What a mail server said of it goes, and what
    somebody typed an address into.
    """
    r = registrations.c
    query = select(r.id, r.name, r.email_key).where(r.id.in_(numbers), r.email != "")
    for number, name, key in connection.execute(query).all():
        values = {"email": "", "email_key": pseudonym(key), "domain": ""}
        values |= {"name": ""} if "@" in name else {}
        connection.execute(registrations.update().where(r.id == number).values(values))
    its_mails = mails.c.registration_id.in_(numbers)
    connection.execute(mails.update().where(its_mails).values(last_error=None, text=None))
    _blank_details(connection, numbers)


def blank_ips(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
    """The network around them is kept for longer."""
    r = registrations.c
    connection.execute(registrations.update().where(r.id.in_(numbers)).values(ip=""))
    _blank_details(connection, numbers)


def blank_all(connection: Connection, numbers: Sequence[int], pseudonym: Pseudonym) -> None:
    """Address, IP address and networks, also of their accounts, and notes on them."""
    for start in range(0, len(numbers), _AT_ONCE):
        part = numbers[start : start + _AT_ONCE]
        blank_addresses(connection, part, pseudonym)
        blank_ips(connection, part, pseudonym)
        _blank(registrations, network="", wide_network=None)(connection, part, pseudonym)
        theirs = accounts.c.registration_id.in_(part)
        connection.execute(accounts.update().where(theirs).values(ip=None, network=None))
        subjects = [f"registration {number}" for number in part]
        connection.execute(notes.delete().where(notes.c.subject.in_(subjects)))


def _blank_details(connection: Connection, numbers: Sequence[int]) -> None:
    """Why a request was refused or looked at stays, without the values that it was for."""
    r = registrations.c
    some = or_(r.refusals != "[]", r.reviews != "[]")
    query = select(r.id, r.refusals, r.reviews).where(r.id.in_(numbers), some)
    for number, *texts in connection.execute(query).all():
        bare = [json.dumps([each | {"detail": ""} for each in json.loads(t)]) for t in texts]
        values = dict(zip(("refusals", "reviews"), bare, strict=True))
        connection.execute(registrations.update().where(r.id == number).values(values))
