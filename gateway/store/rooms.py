"""The room that the alerts' messages stand in: when it is replaced, the next one is told anew."""

from sqlalchemy import Connection

from gateway.store import facts
from gateway.store.room_schema import alerts

_ROOM = "alerts room"  # the fact: a room id


def enter(connection: Connection, room_id: str) -> bool:
    """Serve this room from now on; whether it took another one's place.

    What lasts is then new again; the messages of what is over stay behind.
    """
    before = facts.recall(connection, _ROOM)
    if before == room_id:
        return False
    facts.note(connection, _ROOM, room_id)
    if before is None:
        return False
    a = alerts.c
    connection.execute(alerts.update().values(event_id=None, details_event_id=None))
    connection.execute(alerts.update().where(a.ended_at.is_(None)).values(shown_version=0))
    return True
