"""Addresses whose owners want no mail of ours, by their pseudonyms: without the keys nobody reads
whose they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from gateway.store.schema import unwanted


@dataclass(frozen=True, slots=True)
class Refusal:
    """Since when an address wants no mail, and the audit's entry that says so."""

    at: datetime
    entry: int


def add(connection: Connection, pseudonym: str, now: datetime, entry: int) -> None:
    """An owner says so, in the transaction of the entry."""
    connection.execute(unwanted.insert().values(pseudonym=pseudonym, at=now, entry=entry))


def find(connection: Connection, pseudonyms: Sequence[str]) -> Refusal | None:
    """Whether an address is among them, under any of its pseudonyms."""
    query = select(unwanted.c.at, unwanted.c.entry).where(unwanted.c.pseudonym.in_(pseudonyms))
    row = connection.execute(query.order_by(unwanted.c.entry).limit(1)).first()
    return None if row is None else Refusal(*row)


def drop(connection: Connection, entry: int) -> bool:
    """Take what an entry put there off the list; False when it is not there."""
    gone = connection.execute(unwanted.delete().where(unwanted.c.entry == entry))
    return gone.rowcount > 0
