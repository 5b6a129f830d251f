"""Leases: which process does a job that must be done by one at a time."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_, select

from gateway.store.schema import leases

_WAIT = timedelta(minutes=1)  # how old a caller's `now` may be: he waited for the other's commit


def take(connection: Connection, job: str, holder: str, now: datetime, span: timedelta) -> bool:
    """Take or prolong the lease on `job`; False while somebody else holds it.

    A lease that ends much more than `span` ahead was written before the clock was set back: it
    counts as ended, so that a backward jump cannot jam a job.
    """
    standing = connection.execute(select(leases.c.holder).where(leases.c.job == job)).scalar()
    if standing is None:
        connection.execute(leases.insert().values(job=job, holder=holder, until=now + span))
        return True
    taken = connection.execute(
        leases.update()
        .where(
            leases.c.job == job,
            or_(
                leases.c.holder == holder,
                leases.c.until <= now,
                leases.c.until > now + span + _WAIT,
            ),
        )
        .values(holder=holder, until=now + span)
    )
    return taken.rowcount == 1


def is_held(connection: Connection, job: str, now: datetime) -> bool:
    """Whether somebody does `job` now."""
    query = select(leases.c.holder).where(leases.c.job == job, leases.c.until > now)
    return connection.execute(query).first() is not None


def release(connection: Connection, job: str, holder: str) -> None:
    """Give the lease back, if it is still ours."""
    connection.execute(leases.delete().where(leases.c.job == job, leases.c.holder == holder))


def release_all(connection: Connection) -> None:
    """Give back every lease: their holders are gone."""
    connection.execute(leases.delete())
