"""Servers whose tokens are commanded in their admin room: continuwuity, tuwunel up to 1.8.0."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from gateway.homeserver.file_server import FileServer
from gateway.homeserver.homeserver import Homeserver, Restriction
from gateway.homeserver.room_accounts import RoomAccounts
from gateway.homeserver.room_commands import CONDUWUIT, CONTINUWUITY, TUWUNEL
from gateway.homeserver.room_server import RoomServer
from gateway.homeserver.room_tokens import RoomTokens
from gateway.homeserver.token_file import TokenFile
from gateway.store.database import Database
from gateway.stories.tokens.ordered_room import OrderedRoom
from tests.gateway.homeserver.subjects.file_server import FileSubject
from tests.gateway.homeserver.subjects.real_room import RealRoom, RealRoomSubject
from tests.gateway.homeserver.subjects.subject import (
    BRIEF,
    PATIENCE,
    Ground,
    Open,
    Subject,
    given,
    names_at,
    needed,
)
from tests.gateway.homeserver.subjects.synapse import server_name_at
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.conduwuit import Conduwuit
from tests.stand_ins.continuwuity import AdminRoom, Continuwuity
from tests.stand_ins.person import Person

_DIALECTS = {"continuwuity": CONTINUWUITY, "tuwunel": TUWUNEL}


class RoomSubject(Subject):
    """Its line is the room: "late": the reply comes after BRIEF; "panic": it is one."""

    faults = ("late", "panic")
    done = ("late",)

    def __init__(
        self, ground: Ground, server: Continuwuity, room: AdminRoom, database: Database, kind: str
    ) -> None:
        super().__init__(ground.session)
        self.url = server.url
        self._server = server
        self._room = room
        self._database = database
        self._dialect = _DIALECTS[kind]
        self.ends_tokens = self._dialect.ages
        if self.ends_tokens:
            self.lag = 1.0  # a token's age counts from when the server makes it
        self.homeserver = self._edge(PATIENCE)

    async def values(self) -> set[str]:
        return self._server.tokens()

    def go_wrong(self, fault: str) -> None:
        self._room.moods.append(fault)
        if fault == "late":
            loop = asyncio.get_running_loop()
            loop.call_later(2 * BRIEF.total_seconds(), self._room.speak)

    def impatient(self) -> Homeserver:
        return self._edge(BRIEF)

    async def restrictions(self, name: str) -> set[Restriction]:
        """As the server has it: it tells nobody."""
        return restrictions_of(self._server.accounts[name])

    def _edge(self, patience: timedelta) -> Homeserver:
        room = OrderedRoom(self._database, patience)
        names = names_at(self.session, self.url, patience)
        accounts = RoomAccounts(room, self._dialect, names, self._server.server_name)
        tokens = RoomTokens(room, self._dialect, memory=timedelta())
        return RoomServer(self._dialect, tokens, accounts, names)


def restrictions_of(person: Person) -> set[Restriction]:
    """What keeps somebody from his account."""
    found = {
        Restriction.DEACTIVATED: person.password is None,
        Restriction.SUSPENDED: person.is_suspended,
        Restriction.LOCKED: person.is_locked,
    }
    return {restriction for restriction, is_so in found.items() if is_so}


def open_room(kind: str, **more: Any) -> Open:
    """The stand-in, or the server whose admin room is named (see `real_room`)."""

    @asynccontextmanager
    async def open_it(ground: Ground) -> AsyncIterator[Subject]:
        room_id = given(kind, "room")
        if room_id is not None:
            url, access_token = needed(kind, ""), needed(kind, "token")
            real = RealRoom(ground.session, url, access_token, room_id)
            name = await server_name_at(ground.session, url, access_token)
            yield RealRoomSubject(ground, url, real, name, _DIALECTS[kind])
            return
        server, database = Continuwuity(kind, **more), Database(ground.folder / "porter.db")
        database.open()
        await server.start()
        room = AdminRoom(database, server.commands)
        try:
            await room.turn()
            async with room.working():
                yield RoomSubject(ground, server, room, database, kind)
        finally:
            await server.stop()
            await database.close()

    return open_it


class FileAndRoomSubject(FileSubject):
    """Tokens by a file, accounts by the room: conduwuit, with its bot."""

    def __init__(
        self, ground: Ground, server: Conduwuit, path: Path, accounts: RoomAccounts
    ) -> None:
        super().__init__(ground, server.url, path, CONDUWUIT.title)
        names = names_at(ground.session, server.url)
        self.homeserver = FileServer(TokenFile(path), names, CONDUWUIT.title, accounts)
        self._server = server

    async def restrictions(self, name: str) -> set[Restriction]:
        return restrictions_of(self._server.accounts[name])


@asynccontextmanager
async def open_conduwuit_with_its_room(ground: Ground) -> AsyncIterator[Subject]:
    """The stand-in; the file holds a token that nobody asked for."""
    path, database = ground.folder / "tokens", Database(ground.folder / "porter.db")
    path.write_text("guardthatnobodyknows\n")
    database.open()
    server = Conduwuit(token_file=path)
    await server.start()
    room = AdminRoom(database, AdminCommands("conduwuit", people=server.accounts))
    names = names_at(ground.session, server.url)
    accounts = RoomAccounts(OrderedRoom(database, PATIENCE), CONDUWUIT, names, server.server_name)
    try:
        async with room.working():
            yield FileAndRoomSubject(ground, server, path, accounts)
    finally:
        await server.stop()
        await database.close()
