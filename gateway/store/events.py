"""Events: Matrix event ids of commands that were taken up, so that none runs twice."""

from datetime import datetime

from sqlalchemy import Connection
from sqlalchemy.dialects.sqlite import insert

from gateway.store.schema import events


def take_up(connection: Connection, event_id: str, now: datetime) -> bool:
    """Remember an event; False when it was taken up before."""
    added = insert(events).values(event_id=event_id, at=now).on_conflict_do_nothing()
    return connection.execute(added).rowcount == 1
