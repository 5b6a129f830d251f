"""Human checks that were used: each lets one request through, whatever becomes of that."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete
from sqlalchemy.dialects.sqlite import insert

from gateway.store.prepared import Prepared
from gateway.store.schema import spent

_LONGER = timedelta(days=1)  # kept beyond their end: a clock that is set back revives no check

_SPEND = Prepared(
    insert(spent).on_conflict_do_nothing(index_elements=["id"]).returning(spent.c.id),
    ("id", "until"),
)


def spend(connection: Connection, id: str, until: datetime) -> bool:
    """Use a check that is worth something `until` then; False when it was used before."""
    return _SPEND.first(connection, {"id": id, "until": until}) is not None


def prune(connection: Connection, now: datetime) -> int:
    """Forget those that are worth nothing any more; returns how many."""
    return connection.execute(delete(spent).where(spent.c.until < now - _LONGER)).rowcount
