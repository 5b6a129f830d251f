"""Mutes: causes, or kinds of causes, that the room does not want to hear of for a while."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, or_, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.room_schema import mutes


@dataclass(frozen=True, slots=True)
class Mute:
    """A cause, or a kind of causes, that the room does not hear of; without `until` for good."""

    cause: str
    until: datetime | None
    who: str

    def holds(self, cause: str) -> bool:
        """Whether it keeps alerts of this cause out of the room."""
        return cause == self.cause or cause.startswith(f"{self.cause} ")


def add(connection: Connection, cause: str, until: datetime | None, who: str) -> None:
    """Keep a cause, or all of a kind, out of the room; it is counted all the same."""
    values = {"cause": cause, "until": until, "who": who}
    added = insert(mutes).values(values)
    connection.execute(added.on_conflict_do_update(index_elements=["cause"], set_=values))


def drop(connection: Connection, cause: str) -> bool:
    """Let a cause be heard again; False when it was not muted."""
    return connection.execute(mutes.delete().where(mutes.c.cause == cause)).rowcount == 1


def in_force(connection: Connection, now: datetime) -> list[Mute]:
    """The mutes that are not over."""
    columns = (mutes.c[name] for name in Mute.__slots__)
    query = select(*columns).where(or_(mutes.c.until.is_(None), mutes.c.until > now))
    return [Mute(*row) for row in connection.execute(query.order_by(mutes.c.cause))]
