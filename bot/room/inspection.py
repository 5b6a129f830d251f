"""The room looked at from outside, for `porter check`: also beside a running bot."""

from bot.room.address import find, look
from bot.room.admin_survey import survey
from bot.room.power import Rule
from bot.room.session import Refused, RoomError, Session, Unanswered
from bot.room.timeline import only


async def inspect(
    session: Session, room: str, rule: Rule, *, admin_room: str | None = None, server_name: str = ""
) -> list[str]:
    """What keeps the bot from its work, or should be known; one sentence each.

    `admin_room` is the homeserver's own, where the bot works too if it is given. Logs in when no
    run did so before, and keeps that log-in for the first run.
    """
    try:
        await session.open(alone=False)
        found = await _moderators_room(session, room, rule)
        if admin_room is not None:
            found += await _admin_room(session, admin_room, room, server_name)
        return found
    except RoomError as error:
        return [str(error)]
    except (Unanswered, Refused) as error:
        return [f"bot: {error}."]
    finally:
        await session.close()


async def _moderators_room(session: Session, room: str, rule: Rule) -> list[str]:
    room_id = await find(session, room)
    try:
        standing = await look(session, room_id)
    except Refused:
        if await _is_invited(session, room_id):
            return [f"bot.room: {session.user} is invited to {room}, and joins when it starts."]
        return [f"bot.room: {session.user} is not in {room}; invite it."]
    return standing.warnings(session.user, rule)


async def _admin_room(
    session: Session, room: str, moderators_room: str, server_name: str
) -> list[str]:
    found = await survey(session, room, moderators_room, server_name, enter=False)
    if found.is_outside and await _is_invited(session, found.room_id):
        key = "homeserver.admin_room"
        return [f"{key}: {session.user} is invited to {room}, and joins when it starts."]
    return [*found.warnings]


async def _is_invited(session: Session, room_id: str) -> bool:
    session.client.next_batch = ""  # all invitations, not those since the last look
    state = await session.ask(session.client.sync, timeout=0, sync_filter=only(room_id))
    return room_id in state.rooms.invite
