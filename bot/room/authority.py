"""Who may command at this moment, asked so that those who may not cost the homeserver nothing."""

from bot.room.address import look
from bot.room.power import Rule, Standing
from bot.room.session import Session


class Authority:
    """One room's standing, looked up for every command that is allowed.

    A refusal may rest on the last look for as long as the room did not change since.
    """

    def __init__(self, session: Session, room_id: str, rule: Rule) -> None:
        self.rule = rule
        self._session = session
        self.room_id = room_id
        self._kept: Standing | None = None

    async def may_command(self, user: str) -> bool:
        """Whether a user may command now. Raises Unanswered, Refused or RoomError."""
        if self._kept is not None and not self._kept.may_command(user, self.rule):
            return False
        return (await self.look()).may_command(user, self.rule)

    async def has_joined(self, user: str) -> bool:
        """Whether a user was in the room when it changed last."""
        return (self._kept or await self.look()).has_joined(user)

    async def look(self) -> Standing:
        """How things stand now. Raises Unanswered, Refused or RoomError."""
        self._kept = await look(self._session, self.room_id)
        return self._kept

    def forget(self) -> None:
        """The room changed: what was seen before counts no more."""
        self._kept = None
