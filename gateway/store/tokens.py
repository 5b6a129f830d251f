"""Tokens and where they stand.

A token is written down before the homeserver hears of it, so that a lost answer or a crash leads
to the same token again and never to a second one. `withdraw_at` serves every way in which a token
ends (a leak, an overlap that is over, its expiry): whoever finds it due takes it back.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, and_, or_, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.schema import tokens


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token; `issued_at` is empty until it works. `link` leads to a page where it is filled in.

    Its `purpose` is an applicant's own ("applicant"), everybody's ("shared"), one that a moderator
    gave away ("person"), one that only has to be there ("guard"), or nobody's ("orphan"). It opens
    `uses` accounts, any number when that is empty.
    """

    id: int
    value: str
    purpose: str
    uses: int | None
    registration_id: int | None
    slot: datetime | None
    issued_at: datetime | None
    expires_at: datetime | None
    withdraw_at: datetime | None
    link: str | None


_COLUMNS = tuple(tokens.c[name] for name in IssuedToken.__slots__)


def prepare_own(
    connection: Connection,
    registration_id: int,
    value: str,
    now: datetime,
    expires_at: datetime,
) -> IssuedToken:
    """The applicant's own token: the one he has while it lives, else `value`, not yet issued."""
    return _first(connection, tokens.c.registration_id == registration_id, lives(now)) or _add(
        connection,
        value=value,
        purpose="applicant",
        uses=1,
        registration_id=registration_id,
        created_at=now,
        expires_at=expires_at,
        withdraw_at=expires_at,
    )


def prepare_shared(
    connection: Connection, slot: datetime, value: str, now: datetime
) -> IssuedToken:
    """The shared token made for the scheduled moment `slot`: one, whoever asks first."""
    return _first(connection, tokens.c.slot == slot) or _add(
        connection, value=value, purpose="shared", slot=slot, created_at=now
    )


def adopt_shared(connection: Connection, value: str, now: datetime) -> IssuedToken:
    """The shared token that the homeserver has had all along; it may have been in use before."""
    ends = dict.fromkeys(("uses", "registration_id", "expires_at", "withdraw_at", "withdrawn_at"))
    row = {"value": value, "purpose": "shared", "created_at": now, "issued_at": now, **ends}
    wish = insert(tokens).values(row).on_conflict_do_update(index_elements=["value"], set_=row)
    return IssuedToken(*connection.execute(wish.returning(*_COLUMNS)).one())


def prepare_given(
    connection: Connection, value: str, uses: int | None, now: datetime, expires_at: datetime
) -> IssuedToken:
    """A token for somebody whom a moderator knows, not yet issued."""
    return _add(
        connection,
        value=value,
        purpose="person",
        uses=uses,
        created_at=now,
        expires_at=expires_at,
        withdraw_at=expires_at,
    )


def prepare_guard(
    connection: Connection, value: str, now: datetime, since: datetime | None
) -> IssuedToken:
    """The token that keeps the homeserver closed: the one that it has since then, else `value`."""
    here = [] if since is None else [tokens.c.created_at >= since]
    return _first(connection, tokens.c.purpose == "guard", lives(now), *here) or _add(
        connection, value=value, purpose="guard", created_at=now
    )


def orphan(connection: Connection, value: str, now: datetime) -> None:
    """A token that the homeserver has and nobody waits for: due at once, if it is not known."""
    if with_value(connection, value) is None:
        _add(
            connection,
            value=value,
            purpose="orphan",
            created_at=now,
            issued_at=now,
            withdraw_at=now,
        )


def issued(
    connection: Connection, token_id: int, value: str, link: str | None, now: datetime
) -> None:
    """The homeserver has it, with this value: its own, where it makes tokens up."""
    connection.execute(
        tokens.update().where(tokens.c.id == token_id).values(issued_at=now, value=value, link=link)
    )


def came_into_force(
    connection: Connection, token_id: int, value: str, link: str | None, now: datetime
) -> bool:
    """The homeserver has it; False when it was ended meanwhile, and so has to be taken back."""
    issued(connection, token_id, value, link, now)
    works = still_works(connection, token_id, now)
    if not works:
        # Its revocation may have come first, and then the homeserver has it now.
        take_back_again(connection, token_id)
    return works


def current_shared(connection: Connection) -> IssuedToken | None:
    """The shared token that goes into mails now."""
    return _first(
        connection,
        tokens.c.purpose == "shared",
        tokens.c.issued_at.is_not(None),
        tokens.c.withdraw_at.is_(None),
    )


def withdraw(connection: Connection, token_id: int, at: datetime) -> None:
    """Let a token end at `at`, never later than it would have."""
    connection.execute(
        tokens.update()
        .where(
            tokens.c.id == token_id,
            or_(tokens.c.withdraw_at.is_(None), tokens.c.withdraw_at > at),
        )
        .values(withdraw_at=at)
    )


def unfinished_shared(connection: Connection) -> IssuedToken | None:
    """A shared token that was decided on, and that the homeserver may or may not have yet."""
    return _first(
        connection,
        tokens.c.purpose == "shared",
        tokens.c.issued_at.is_(None),
        tokens.c.withdraw_at.is_(None),
    )


def unfinished_given(connection: Connection, now: datetime) -> list[IssuedToken]:
    """Tokens that were given away, and that the homeserver may or may not have yet."""
    is_unfinished = (tokens.c.purpose == "person", tokens.c.issued_at.is_(None))
    return _every(connection, *is_unfinished, lives(now))


def given(connection: Connection, now: datetime, most: int) -> list[IssuedToken]:
    """The newest tokens that were given away and may still open an account."""
    query = (
        select(*_COLUMNS)
        .where(tokens.c.purpose == "person", lives(now))
        .order_by(tokens.c.id.desc())
        .limit(most)
    )
    return [IssuedToken(*row) for row in connection.execute(query)]


def free_slot(connection: Connection, slot: datetime, now: datetime) -> datetime:
    """`slot`, or when a token was made for it before, the first free moment from `now` on."""
    while connection.execute(select(tokens.c.id).where(tokens.c.slot == slot)).first():
        slot = max(slot + timedelta(microseconds=1), now)
    return slot


def supersede(connection: Connection, token_id: int | None, at: datetime) -> None:
    """Let every shared token but this one end at `at`, never later than it would have."""
    connection.execute(
        tokens.update()
        .where(
            tokens.c.purpose == "shared",
            tokens.c.id != (token_id or 0),
            or_(tokens.c.withdraw_at.is_(None), tokens.c.withdraw_at > at),
        )
        .values(withdraw_at=at)
    )


def due(connection: Connection, now: datetime, most: int = 100) -> list[IssuedToken]:
    """Tokens to take from the homeserver now."""
    query = (
        select(*_COLUMNS)
        .where(tokens.c.withdrawn_at.is_(None), tokens.c.withdraw_at <= now)
        .order_by(tokens.c.withdraw_at)
        .limit(most)
    )
    return [IssuedToken(*row) for row in connection.execute(query)]


def outstanding(connection: Connection, now: datetime) -> list[IssuedToken]:
    """Applicants' own tokens that may still open an account."""
    is_open = (tokens.c.withdrawn_at.is_(None), tokens.c.withdraw_at > now)
    return _every(connection, tokens.c.purpose == "applicant", *is_open)


def living(connection: Connection, now: datetime) -> list[IssuedToken]:
    """All tokens that somebody may still open an account with, shared ones too."""
    return _every(connection, lives(now), tokens.c.purpose != "guard")


def shared_left(connection: Connection) -> list[IssuedToken]:
    """The shared tokens that the homeserver may have, also those that are over."""
    return _every(connection, tokens.c.purpose == "shared", tokens.c.withdrawn_at.is_(None))


def get(connection: Connection, token_id: int) -> IssuedToken | None:
    """One token by its number."""
    return _first(connection, tokens.c.id == token_id)


def with_value(connection: Connection, value: str) -> IssuedToken | None:
    """The token that reads so."""
    return _first(connection, tokens.c.value == value)


def of(connection: Connection, registration_id: int) -> IssuedToken | None:
    """The newest token made for one applicant."""
    return _first(connection, tokens.c.registration_id == registration_id)


def not_withdrawn(connection: Connection, ids: Sequence[int]) -> list[IssuedToken]:
    """Those of some ended tokens that the homeserver may still have."""
    query = select(*_COLUMNS).where(
        tokens.c.withdrawn_at.is_(None), tokens.c.withdraw_at.is_not(None)
    )
    wanted = set(ids)
    return [IssuedToken(*row) for row in connection.execute(query) if row.id in wanted]


def withdrawn(connection: Connection, token_id: int, now: datetime) -> None:
    """The homeserver has it no more."""
    connection.execute(tokens.update().where(tokens.c.id == token_id).values(withdrawn_at=now))


def take_back_again(connection: Connection, token_id: int) -> None:
    """A token was revoked, and came into force after that: it is due once more."""
    connection.execute(tokens.update().where(tokens.c.id == token_id).values(withdrawn_at=None))


def still_works(connection: Connection, token_id: int, now: datetime) -> bool:
    """Whether a token that was read a moment ago may still be mailed."""
    return _first(connection, tokens.c.id == token_id, lives(now)) is not None


def lives(now: datetime) -> ColumnElement[bool]:
    """The condition of a token that may still open an account."""
    # What was revoked is dead also when the clock was set back since.
    return and_(
        tokens.c.withdrawn_at.is_(None),
        or_(tokens.c.withdraw_at.is_(None), tokens.c.withdraw_at > now),
    )


def _first(connection: Connection, *conditions: ColumnElement[bool]) -> IssuedToken | None:
    query = select(*_COLUMNS).where(*conditions).order_by(tokens.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else IssuedToken(*row)


def _every(connection: Connection, *conditions: ColumnElement[bool]) -> list[IssuedToken]:
    query = select(*_COLUMNS).where(*conditions).order_by(tokens.c.id)
    return [IssuedToken(*row) for row in connection.execute(query)]


def _add(connection: Connection, **values: object) -> IssuedToken:
    row = connection.execute(tokens.insert().values(values).returning(*_COLUMNS)).one()
    return IssuedToken(*row)
