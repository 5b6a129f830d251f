"""However the plug is pulled between desk, bot and admin room: one applicant, one living token.

A token lives at the homeserver and stands in a mail; in the end both are the same one, or none.
"""

import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest

from gateway.homeserver.homeserver import HomeserverError
from gateway.mail.compose import Composer
from gateway.store import tokens
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.stories.tokens.ordered_room import OrderedRoom
from tests.gateway.conftest import House, text_of
from tests.gateway.stories.tokens.test_ordered_room import server_of
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.continuwuity import AdminRoom

MOD = Author("@mod:example.org", "$command")


class Killed(BaseException):
    """The plug was pulled."""


class Plug:
    """Is pulled at the n-th write of this process, before it or right after its commit."""

    def __init__(self, at: int | None = None, *, after: bool = False) -> None:
        self.writes = 0
        self.at = at
        self.after = after

    def pull_at(self, at: int, *, after: bool) -> None:
        """It is pulled at the n-th write from now on."""
        self.at, self.after = self.writes + at, after

    def unplug(self) -> None:
        """It is pulled no more."""
        self.at = None

    def guard(self, database: Database) -> None:
        write = database.write

        async def counted(work: Callable[[Any], Any]) -> Any:
            self.writes += 1
            is_last = self.writes == self.at
            if is_last and not self.after:
                raise Killed
            done = await write(work)
            if is_last:
                raise Killed
            return done

        database.write = counted  # type: ignore[method-assign,assignment]


class Doorway:
    """The admin room of a desk whose database is open a moment later."""

    room: OrderedRoom

    async def order(self, key: str, command: str) -> str:
        return await self.room.order(key, command)

    async def discard(self, key: str) -> str | None:
        return await self.room.discard(key)

    async def check(self) -> None:
        await self.room.check()


class World:
    """A homeserver with its admin room, and a desk and a bot that are built anew when they fell."""

    def __init__(self, open_house: Any, clock: Any, state: str) -> None:
        self._open_house = open_house
        self.clock = clock
        self._state = state
        self.commands = AdminCommands()
        self.room: AdminRoom | None = None
        self.desk: House

    async def build(self, plug: Plug) -> None:
        doorway = Doorway()
        source = server_of(doorway, clock=self.clock)
        self.desk = await self._open_house(source=source, state=self._state)
        plug.guard(self.desk.database)
        doorway.room = OrderedRoom(self.desk.database, timedelta(), self.clock)
        if self.room is None:
            self.room = AdminRoom(self.desk.database, self.commands, self.clock)
            self.room.is_seen = False
        else:
            self.room.serve(self.desk.database)

    async def survive(self, work: Callable[[], Awaitable[object]]) -> None:
        try:
            await work()
        except Killed:
            await self.desk.database.close()
            await self.build(Plug())

    async def live(self) -> None:
        """A while of all that desk and bot do; longer than a mail is leased."""
        assert self.room is not None
        await self.desk.deliver()
        await self.room.turn()
        with suppress(HomeserverError):
            await self.desk.rotation.look()
        self.clock.turn(minutes=6)


async def is_mailed(world: World) -> None:
    for _ in range(5):
        await world.survive(world.live)


async def is_withdrawn_meanwhile(world: World) -> None:
    """A moderator ends the token while its order is on the way; the mail brings another one."""

    async def revoke() -> None:
        with suppress(ValueError):  # there is none yet
            await world.desk.rotation.given.revoke(MOD, lambda c: tokens.of(c, 1))

    await world.survive(world.desk.deliver)
    await world.survive(revoke)
    for _ in range(6):
        await world.survive(world.live)


async def is_over(world: World) -> None:
    """Nobody uses it, and its time is over."""
    for _ in range(6):
        await world.survive(world.live)
    world.clock.turn(days=8)
    for _ in range(3):
        await world.survive(world.live)


@pytest.mark.parametrize(
    ("life", "mood"),
    [(is_mailed, "again"), (is_withdrawn_meanwhile, "late"), (is_over, "twice")],
)
async def test_at_whatever_write_the_plug_is_pulled_one_living_token_is_mailed(
    open_house, clock, post, tmp_path, monkeypatch, life, mood
):
    # Half the time of a new desk; the templates are tried elsewhere.
    monkeypatch.setattr(Composer, "_try_out", lambda self: None)
    begin = clock.now
    empty = await open_house(state="empty")
    await empty.apply()
    await empty.database.close()
    runs = [Plug()]
    while runs:
        plug = runs.pop()
        clock.now, post.mails = begin, []
        state = f"run-{plug.writes}-{id(plug)}"
        shutil.copytree(tmp_path / "empty", tmp_path / state)
        world = World(open_house, clock, state)
        await world.build(plug)
        world.room.moods.append(mood)
        first, at = plug.at is None, f"at write {plug.at}, after it: {plug.after}"
        await life(world)
        plug.unplug()
        world.room.speak()
        for _ in range(5):
            await world.live()
        mailed = {text_of(m).split("registration token:")[1].split()[0] for m in post.mails}
        living = world.commands.in_force()
        assert len(living) == (life is not is_over), at
        assert living <= mailed, at
        assert len(mailed) == 1, at
        await world.desk.database.close()
        if first:
            assert plug.writes > 5
            moments = (False, True) if life is is_mailed else (False,)
            runs = [Plug(n, after=after) for n in range(1, plug.writes) for after in moments]
