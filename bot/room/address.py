"""Where the room is, and how things stand in it now, as the homeserver tells."""

from bot.room.power import Standing
from bot.room.session import Session


async def find(session: Session, room: str) -> str:
    """The id of a room; an alias is asked for. Raises Unanswered, Refused or RoomError."""
    if room.startswith("!"):
        return room
    found = await session.ask(session.client.room_resolve_alias, room)
    return str(found.room_id)


async def look(session: Session, room_id: str) -> Standing:
    """The room's rules at this moment. Raises Unanswered, Refused or RoomError."""
    state = await session.ask(session.client.room_get_state, room_id)
    return Standing.read(state.events)
