"""Events: Matrix event ids of commands, from when they are taken up until they are answered."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from gateway.store.room_schema import events


def begin(connection: Connection, event_id: str, now: datetime) -> int | None:
    """Take an event up; how often that was done by now, or None when it is answered already."""
    added = insert(events).values(event_id=event_id, at=now, times=1)
    again = added.on_conflict_do_update(
        index_elements=["event_id"],
        set_={"times": events.c.times + 1},
        where=events.c.answered_at.is_(None),
    )
    found = connection.execute(again.returning(events.c.times)).scalar()
    return None if found is None else int(found)


def answered(connection: Connection, event_id: str, now: datetime) -> None:
    """Remember that an event has its answer."""
    connection.execute(events.update().where(events.c.event_id == event_id).values(answered_at=now))
