"""The room looked at from outside, for `porter check`: also beside a running bot."""

from bot.room.address import find, look
from bot.room.power import Rule
from bot.room.session import Refused, RoomError, Session, Unanswered
from bot.room.timeline import only


async def inspect(session: Session, room: str, rule: Rule) -> list[str]:
    """What keeps the bot from its work, or should be known; one sentence each.

    Logs in when no run did so before, and keeps that log-in for the first run.
    """
    try:
        await session.open(alone=False)
        room_id = await find(session, room)
        try:
            standing = await look(session, room_id)
        except Refused:
            return [await _why_outside(session, room, room_id)]
        return standing.warnings(session.user, rule)
    except RoomError as error:
        return [str(error)]
    except (Unanswered, Refused) as error:
        return [f"bot: {error}."]
    finally:
        await session.close()


async def _why_outside(session: Session, room: str, room_id: str) -> str:
    state = await session.ask(session.client.sync, timeout=0, sync_filter=only(room_id))
    if room_id in state.rooms.invite:
        return f"bot.room: {session.user} is invited to {room}, and joins when it starts."
    return f"bot.room: {session.user} is not in {room}; invite it."
