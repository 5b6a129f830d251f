"""How the homeserver's admin room stands: whether commands can be given there, and what is unsafe.

Every member of that room is an admin of the homeserver and reads each token that is issued there.
"""

from contextlib import suppress
from dataclasses import dataclass

from bot.room.address import find, look
from bot.room.admin_inbox import server_user
from bot.room.files import Kept
from bot.room.power import Standing
from bot.room.session import Refused, Session, Unanswered

_KEY = "homeserver.admin_room"


@dataclass(frozen=True, slots=True)
class Survey:
    """What was found: sentences for the operator, whether the room can be used all the same, and
    whether we are not in it."""

    room_id: str
    warnings: tuple[str, ...] = ()
    is_usable: bool = False
    is_outside: bool = False


async def survey(
    session: Session, room: str, moderators_room: str, server_name: str, *, enter: bool
) -> Survey:
    """Look at the admin room; `enter` it if need be.

    Raises Unanswered or RoomError when the homeserver does not tell.
    """
    try:
        room_id = await find(session, room)
    except Refused as error:
        return Survey("", (f"{_KEY}: {room} cannot be found ({error}).",))
    standing = await _standing(session, room_id, enter=enter)
    if standing is None:
        remedy = f"make it an admin there with `!admin users make-user-admin {session.user}`"
        sentence = f"{_KEY}: {session.user} is not in {room}, and not invited; {remedy}."
        return Survey(room_id, (sentence,), is_outside=True)
    obstacle = _obstacle(standing, session.user, server_name)
    if room_id in await _moderators_rooms(session, moderators_room):
        obstacle = (
            f"{_KEY}: this is the moderators' room too; name the homeserver's own admin room,"
            f" whose alias is #admins:{server_name}."
        )
    found = [obstacle] if obstacle else []
    return Survey(room_id, (*found, *_dangers(standing, server_name)), obstacle is None)


async def _standing(session: Session, room_id: str, *, enter: bool) -> Standing | None:
    """How things stand in the room; None when we are not in it."""
    for is_last in (not enter, True):
        try:
            standing = await look(session, room_id)
            if standing.has_joined(session.user):
                return standing
        except Refused:
            pass  # we never were in it
        if is_last:
            return None
        try:
            await session.ask(session.client.join, room_id)
        except Refused:
            return None
    return None


async def _moderators_rooms(session: Session, room: str) -> set[str]:
    """The moderators' room, as it is configured and as it is served."""
    rooms = {str(Kept(session.folder / "room.json").load().get("room"))}
    with suppress(Refused, Unanswered):  # that room's own troubles are told elsewhere
        rooms.add(await find(session, room))
    return rooms


def _obstacle(standing: Standing, user: str, server_name: str) -> str | None:
    """What makes the room useless."""
    if not standing.has_joined(server_user(server_name)):
        return (
            f"{_KEY}: {server_user(server_name)} is not in it, so it is not the homeserver's admin"
            f" room, whose alias is #admins:{server_name}."
        )
    if standing.encrypted:
        return f"{_KEY}: the room is encrypted, and the homeserver reads no commands there."
    if not standing.may_send(user, "m.room.message"):
        return f"{_KEY}: {user} may not send messages there; raise its power level."
    return None


def _dangers(standing: Standing, server_name: str) -> list[str]:
    """Who else may command the homeserver and read its tokens."""
    joined = (user for user in standing.memberships if standing.has_joined(user))
    strangers = sorted({user.partition(":")[2] for user in joined} - {server_name})
    found = []
    if standing.join_rule == "public":
        found.append(
            f"{_KEY}: anybody may join it, and be an admin of the homeserver; make it invite-only."
        )
    if standing.world_readable:
        found.append(
            f"{_KEY}: anybody may read it, and the tokens in it; change its history visibility."
        )
    if strangers:
        found.append(
            f"{_KEY}: members of other servers are admins there and read its tokens"
            f" ({', '.join(strangers)}); make sure that this is wanted."
        )
    if standing.successor:
        found.append(f"{_KEY}: the room was replaced by {standing.successor}.")
    return found
