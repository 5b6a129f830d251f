"""Tallies: how many tokens were issued, used, and are still open."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from gateway.store.schema import registrations, tokens
from gateway.store.tokens import lives


@dataclass(frozen=True, slots=True)
class Tally:
    """How many tokens were issued, opened an account, and may still open one."""

    issued: int
    used: int
    open: int


def own(connection: Connection, now: datetime) -> Tally:
    """Of the applicants' own tokens."""
    of_applicants = tokens.c.purpose == "applicant"
    is_open = case((lives(now), 1), else_=0)
    issued_, open_ = connection.execute(
        select(func.count(), func.coalesce(func.sum(is_open), 0)).where(
            of_applicants, tokens.c.issued_at.is_not(None)
        )
    ).one()
    used = select(func.count(tokens.c.id.distinct())).where(
        of_applicants,
        tokens.c.id == registrations.c.token_id,
        registrations.c.status == "registered",
    )
    return Tally(issued_, connection.execute(used).scalar_one(), open_)


def shared(connection: Connection, token_id: int) -> Tally:
    """Of the requests that were mailed a shared token."""
    r = registrations.c
    query = select(r.status, func.count()).where(r.token_id == token_id).group_by(r.status)
    counts = {str(status): int(number) for status, number in connection.execute(query)}
    return Tally(sum(counts.values()), counts.get("registered", 0), counts.get("mailed", 0))


def next_end(connection: Connection, now: datetime) -> datetime | None:
    """When the first of the applicants' own tokens that still work will end."""
    first = (
        select(tokens.c.withdraw_at)
        .where(tokens.c.purpose == "applicant", lives(now))
        .order_by(tokens.c.withdraw_at)
        .limit(1)
    )
    return connection.execute(first).scalar()


def outcome(connection: Connection, since: datetime, until: datetime) -> tuple[int, int]:
    """How many requests of a time were mailed a token, and how many of them became an account."""
    r = registrations.c
    query = (
        select(r.status, func.count())
        .where(r.status.in_(("mailed", "registered")), r.created_at.between(since, until))
        .group_by(r.status)
    )
    counts = {str(status): int(number) for status, number in connection.execute(query)}
    return sum(counts.values()), counts.get("registered", 0)


def sources(connection: Connection, most: int) -> tuple[int, int]:
    """How many people asked in the latest requests, and from how many addresses.

    What was forgotten counts for neither.
    """
    r = registrations.c
    latest = select(r.email_key, r.ip).order_by(r.id.desc()).limit(most).subquery()
    query = select(
        func.count(latest.c.email_key.distinct()), func.count(latest.c.ip.distinct())
    ).where(latest.c.ip != "")
    people, places = connection.execute(query).one()
    return int(people), int(places)
