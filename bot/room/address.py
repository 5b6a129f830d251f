"""Where the room is, and how things stand in it now, as the homeserver tells."""

import structlog

from bot.room.files import Kept
from bot.room.power import Standing
from bot.room.session import Refused, Session, Unanswered

_log = structlog.get_logger(__name__)


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


class Address:
    """The one room that is served: what the configuration names, or what that became.

    An alias is resolved once, for whoever may set it could else lead the bot away.
    """

    def __init__(self, session: Session, room: str) -> None:
        self._session = session
        self._room = room
        self._kept = Kept(session.folder / "room.json")
        self.warning: str | None = None

    async def find(self) -> str:
        """The room's id. Raises Unanswered, Refused, RoomError or OSError."""
        kept = self._kept.load()
        room_id = kept.get("room")
        if kept.get("configured") != self._room or not isinstance(room_id, str):
            room_id = await find(self._session, self._room)
            self._keep(room_id)
            return room_id
        try:
            leads_to = await find(self._session, self._room)
        except (Unanswered, Refused):
            leads_to = room_id  # an alias that is gone leads nowhere else
        if leads_to != room_id:
            self.warning = (
                f"bot.room: {self._room} is another room than {room_id}, which is served; write"
                f" {room_id} there, or remove {self._kept.path} to serve the other one."
            )
            _log.warning("room_elsewhere", configured=self._room, served=room_id)
        return room_id

    def follow(self, room_id: str) -> None:
        """Serve another room from now on. Raises OSError."""
        self._keep(room_id)
        _log.warning("room_followed", room=room_id, advice=f"write {room_id} into bot.room")

    def _keep(self, room_id: str) -> None:
        self._kept.save({"configured": self._room, "room": room_id})
