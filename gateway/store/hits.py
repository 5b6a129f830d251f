"""Hits: how often each ban was met, and when last."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from gateway.rules.bans import Kind
from gateway.store.prepared import Prepared
from gateway.store.schema import hits


@dataclass(frozen=True, slots=True)
class Hits:
    """How often a ban was met, and when last."""

    count: int
    last_at: datetime


def count(connection: Connection, met: Iterable[tuple[Kind, str]], now: datetime) -> None:
    """Count one more for each ban met, in the transaction that decides on the request."""
    for kind, value in met:
        _COUNT.first(connection, {"kind": kind, "value": value, "count": 1, "last_at": now})


def _counted() -> Any:
    added = insert(hits)
    more = {"count": hits.c.count + 1, "last_at": added.excluded.last_at}
    return added.on_conflict_do_update(index_elements=["kind", "value"], set_=more)


_COUNT = Prepared(_counted(), ("kind", "value", "count", "last_at"))


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


def before(connection: Connection, at: datetime) -> list[tuple[Kind, str]]:
    """The bans that were met last before then."""
    query = select(hits.c.kind, hits.c.value).where(hits.c.last_at < at)
    return [(Kind(kind), value) for kind, value in connection.execute(query)]


def drop(connection: Connection, bans: Iterable[tuple[Kind, str]]) -> None:
    """Forget how often some bans were met."""
    for kind, value in bans:
        connection.execute(hits.delete().where(hits.c.kind == kind, hits.c.value == value))
