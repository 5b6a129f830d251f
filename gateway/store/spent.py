"""Human checks that were used: each lets one request through, whatever becomes of that."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from gateway.store.prepared import Prepared
from gateway.store.schema import spent

_SPEND = Prepared(
    insert(spent).on_conflict_do_nothing(index_elements=["id"]).returning(spent.c.id),
    ("id", "until"),
)


def spend(connection: Connection, id: str, until: datetime) -> bool:
    """Use a check that is worth something `until` then; False when it was used before."""
    return _SPEND.first(connection, {"id": id, "until": until}) is not None
