"""The ledger of the room's commands: each is carried out once, however often it is handed in.

The stories write what they did into the audit, with the event that asked for it, in the transaction
of the effect; where files are in play, after it, and they end what they began when they are asked
again. After a crash the audit therefore tells whether a command still has to be done.
"""

import json
from collections.abc import Sequence

from bot.answers import Answer, Line, code
from bot.commands.standing import ROOM_WARNINGS
from bot.console import Console
from bot.room.inbox import Command
from gateway.desk import Desk
from gateway.store import audit, events, facts, offers
from gateway.store.audit import Author, Entry

_AGAIN = {"issue"}  # done once, it answers again what it made: nobody else could tell
_MOST_TIMES = 2  # a command that stopped the process so often is not tried again


class DeskLedger:
    """Commands out of the room, carried out at one desk and remembered in its database."""

    def __init__(self, desk: Desk) -> None:
        self._database = desk.database
        self._clock = desk.clock
        self._console = Console(desk)

    async def begin(self, event_id: str) -> int | None:
        """Take a command up. Raises SQLAlchemyError; then it must not be carried out."""
        now = self._clock()
        return await self._database.write(lambda c: events.begin(c, event_id, now))

    async def carry_out(self, command: Command, time: int) -> Answer:
        """Do what is asked, unless a former time did it or was fatal."""
        author = Author(command.sender, command.event_id)
        if time > 1:
            done = await self._database.read(lambda c: audit.of_event(c, command.event_id))
            if any(entry.action not in _AGAIN for entry in done):
                return Answer(("This was done before I was stopped:", *map(_told, done)))
            if time > _MOST_TIMES and not done:
                lines = (
                    f"I was stopped {time - 1} times in the middle of this command, so it is not"
                    " tried again.",
                    "Nothing was written down as done.",
                )
                return Answer(lines, ok=False)
        return await self._console.type(command.text, author)

    async def hold(self, command: Command) -> Answer:
        """Ask whether a command that came too late is still wanted."""
        return await self._console.hold(command.text, Author(command.sender, command.event_id))

    async def answered(self, event_id: str) -> None:
        """Remember that the room has the answer."""
        now = self._clock()
        await self._database.write(lambda c: events.answered(c, event_id, now))

    async def warn(self, warnings: Sequence[str]) -> None:
        """Keep what is wrong with the room now: `status` shows it."""
        value = json.dumps(list(warnings))
        await self._database.write(lambda c: facts.note(c, ROOM_WARNINGS, value))

    async def offer(self, event_id: str, offered: Sequence[offers.Offer]) -> None:
        """Keep which reactions to a message of ours stand for which commands."""
        now = self._clock()
        await self._database.write(lambda c: offers.keep(c, event_id, offered, now))

    async def offered(self, event_id: str, key: str) -> str | None:
        """The command that a reaction to a message of ours stands for, as `offers.command` says."""
        return await self._database.read(lambda c: offers.command(c, event_id, key))


def _told(entry: Entry) -> Line:
    return (f"{entry.action} ", code(entry.subject))
