"""In whatever order desk, bot and homeserver do their part: no token lives that nobody knows.

Hypothesis finds the order. What no reply ever told of (it was lost, or came as a file) is left out:
nobody has such a token.
"""

import asyncio
import shutil
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.homeserver.homeserver import HomeserverError
from gateway.rules.replies import token_in
from gateway.store import orders, tokens
from gateway.store.database import Database
from gateway.stories.tokens.ordered_room import OrderedRoom
from gateway.stories.tokens.rotation import Rotation
from tests.gateway.conftest import HandClock
from tests.gateway.stories.tokens.test_ordered_room import server_of
from tests.gateway.stories.tokens.test_room_crashes import Killed, Plug
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.continuwuity import AdminRoom

STEPS = st.one_of(
    st.sampled_from(["mail", "turn", "look", "withdraw", "speak", "give up", "wait", "long wait"]),
    st.sampled_from(["twice", "again", "late", "panic", "file", "deaf", "mute"]),
    st.tuples(st.integers(1, 4), st.booleans()),  # the plug is pulled at this write
)


class Sketch:
    """One applicant, who is owed a mail; the desk and the bot are built anew when they fell."""

    def __init__(self, path, settings) -> None:
        self.clock = HandClock()
        self.commands = AdminCommands()
        self.mailed: set[str] = set()
        self._path = path
        self._settings = settings
        self._build(Plug())
        self.room = AdminRoom(self.database, self.commands, self.clock)

    def _build(self, plug) -> None:
        self.plug = plug
        self.database = Database(self._path)
        self.database.open()
        plug.guard(self.database)
        self.rotation = Rotation(
            settings=self._settings,
            database=self.database,
            source=server_of(OrderedRoom(self.database, timedelta(), self.clock), clock=self.clock),
            schedule=None,
            clock=self.clock,
        )

    async def take(self, step) -> None:
        """One step; a desk or bot that falls at it is built anew."""
        try:
            await self._take(step)
        except Killed:
            await self.database.close()
            self._build(Plug())
            self.room.serve(self.database)

    async def _take(self, step) -> None:
        match step:
            case (at, after):
                self.plug.pull_at(at, after=after)
            case "mail":
                with suppress(HomeserverError):
                    self.mailed.add((await self.rotation.token_for(1)).value)
            case "turn":
                await self.room.turn()
            case "look":
                with suppress(HomeserverError):
                    await self.rotation.look()
            case "withdraw":
                await self.database.write(self._withdraw)
            case "speak":
                self.room.speak()
            case "give up":
                await self.room.give_up()
            case "wait":
                self.clock.turn(minutes=6)
            case "long wait":
                self.clock.turn(days=8)
            case mood:
                self.room.moods.append(mood)

    def _withdraw(self, connection) -> None:
        own = tokens.of(connection, 1)
        if own is not None:
            tokens.withdraw(connection, own.id, self.clock())

    async def settle(self) -> None:
        """All have the time that they need."""
        self.plug.unplug()
        self.room.moods.clear()
        for _ in range(4):
            for step in ("speak", "turn", "look", "turn", "give up", "wait"):
                await self.take(step)

    async def made(self) -> int:
        """How many tokens were made for the applicant, one after the other."""
        everyone = await self.database.read(lambda c: [tokens.get(c, n) for n in range(1, 200)])
        return sum(each is not None and each.purpose == "applicant" for each in everyone)

    async def known(self) -> set[str]:
        """The tokens that live as far as the desk knows, also those that are not in use yet."""

        def read(connection) -> set[str]:
            living = tokens.living(connection, self.clock())
            standing = [orders.of(connection, each.value) for each in living]
            made = {token_in(each.reply) for each in standing if each is not None and each.reply}
            return made | {each.value for each in living if each.issued_at is not None}

        return await self.database.read(read)


@pytest.fixture
def blank(tmp_path):
    database = Database(tmp_path / "blank" / "porter.db")
    database.open()
    asyncio.run(database.close())
    return database.path


@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=st.lists(STEPS, max_size=25))
@example(steps=["mail", "withdraw", "look", "mail", "turn", "turn"])
@example(steps=["late", "mail", "turn", "give up", "mail", "turn", "speak", "turn", "mail"])
def test_no_token_lives_that_nobody_knows(steps, tmp_path_factory, make_settings, blank):
    folder = tmp_path_factory.mktemp("desk")
    shutil.copy(blank, folder)
    asyncio.run(_happens(steps, Sketch(folder / "porter.db", make_settings())))


async def _happens(steps, sketch) -> None:
    for step in steps:
        await sketch.take(step)
    await sketch.settle()
    living = sketch.commands.in_force() - sketch.room.untold
    assert len(living) <= 1 and living <= await sketch.known()
    assert len(sketch.mailed) <= await sketch.made()
    for _ in range(2):
        await sketch.take("mail")
        await sketch.settle()
    await sketch.take("mail")
    assert len(sketch.mailed & sketch.commands.in_force()) == 1
    await sketch.database.close()
