"""A Matrix Authentication Service, behind a line on which answers go wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.homeserver import Homeserver
from gateway.homeserver.mas import Mas as Edge
from gateway.homeserver.mas_api import MasApi
from tests.gateway.homeserver.subjects.subject import BRIEF, PATIENCE, Ground, Subject
from tests.stand_ins.bad_line import DONE, NOT_DONE, BadLine
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET, Mas


class MasSubject(Subject):
    """`line` leads to it; people sign up on its pages."""

    faults = (*DONE, *NOT_DONE)
    done = DONE
    ends_tokens = True

    def __init__(
        self,
        session: aiohttp.ClientSession,
        mas: Mas,
        line: BadLine,
    ) -> None:
        super().__init__(session)
        self.url = mas.url
        self._mas = mas
        self._line = line
        self._credentials = ClientCredentials(session, line.url, CLIENT_ID, CLIENT_SECRET, PATIENCE)
        self._edge = self.edge(PATIENCE)
        self.homeserver = self._edge

    def edge(self, timeout: timedelta) -> Edge:
        """The edge to it, by the line; all have one access token."""
        return Edge(MasApi(self.session, self._credentials, timeout), timeout, at_once=2)

    async def open_account(self, name: str, token: str) -> bool:
        return self._mas.open_account(name, token)

    async def values(self) -> set[str]:
        return self._mas.valid()

    def go_wrong(self, fault: str) -> None:
        self._line.faults.append(fault)

    def impatient(self) -> Homeserver:
        edge = self.edge(BRIEF)
        # Without what it learnt it would list tokens first, and the fault befall that.
        edge._tokens._ulids = self._edge._tokens._ulids
        return edge


@asynccontextmanager
async def open_mas(ground: Ground) -> AsyncIterator[Subject]:
    """The stand-in of MAS 1.22."""
    mas = Mas()
    await mas.start()
    line = BadLine(mas.url)
    await line.start()
    try:
        subject = MasSubject(ground.session, mas, line)
        await subject.homeserver.check()  # with an access token, which lasts
        yield subject
    finally:
        await line.stop()
        await mas.stop()
