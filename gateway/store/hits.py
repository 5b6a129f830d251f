"""Hits: how often each ban was met, and when last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from gateway.rules.bans import Kind
from gateway.store.schema import hits


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a ban was met, and when last."""

    count: int
    last_at: datetime


def count(connection: Connection, kind: Kind, value: str, now: datetime) -> None:
    """Count one more, in the transaction that decides on the request."""
    added = insert(hits).values(kind=kind, value=value, count=1, last_at=now)
    connection.execute(
        added.on_conflict_do_update(
            index_elements=["kind", "value"], set_={"count": hits.c.count + 1, "last_at": now}
        )
    )


def of(connection: Connection, bans: Iterable[tuple[Kind, str]]) -> dict[tuple[Kind, str], Hits]:
    """The hits of some bans; those never met are missing."""
    found = {}
    for kind, value in bans:
        query = select(hits.c.count, hits.c.last_at).where(
            hits.c.kind == kind, hits.c.value == value
        )
        row = connection.execute(query).first()
        if row is not None:
            found[kind, value] = Hits(*row)
    return found
