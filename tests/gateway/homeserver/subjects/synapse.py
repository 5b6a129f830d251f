"""A real Synapse, behind a line on which answers go wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import aiohttp

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import Homeserver
from gateway.homeserver.synapse import Synapse
from tests.gateway.homeserver.subjects.subject import (
    BRIEF,
    PATIENCE,
    Ground,
    Subject,
    given,
    names_at,
    needed,
)
from tests.stand_ins.bad_line import DONE, NOT_DONE, BadLine


class AdminSubject(Subject):
    """Any server with Synapse's admin API; `url` is its own, `line` leads there."""

    faults = (*DONE, *NOT_DONE)
    done = DONE
    ends_tokens = True

    def __init__(
        self,
        session: aiohttp.ClientSession,
        url: str,
        admin_token: str,
        server_name: str,
        line: BadLine,
    ) -> None:
        super().__init__(session)
        self.url = url
        self._admin_token = admin_token
        self._server_name = server_name
        self._line = line
        self.homeserver = self.edge(PATIENCE)

    def edge(self, timeout: timedelta) -> Homeserver:
        """The edge to it, by the line."""
        api = AdminApi(self.session, self._line.url, self._admin_token, timeout)
        return Synapse(api, names_at(self.session, self._line.url, timeout), self._server_name)

    def impatient(self) -> Homeserver:
        return self.edge(BRIEF)

    def go_wrong(self, fault: str) -> None:
        self._line.faults.append(fault)

    async def values(self) -> set[str]:
        """As the server itself lists them."""
        async with self.session.get(
            f"{self.url}/_synapse/admin/v1/registration_tokens",
            params={"valid": "true"},
            headers={"Authorization": f"Bearer {self._admin_token}"},
        ) as response:
            assert response.status == 200
            return {each["token"] for each in (await response.json())["registration_tokens"]}


async def server_name_at(session: aiohttp.ClientSession, url: str, access_token: str) -> str:
    """What the server calls itself, as its account's id tells."""
    async with session.get(
        f"{url}/_matrix/client/v3/account/whoami",
        headers={"Authorization": f"Bearer {access_token}"},
    ) as response:
        assert response.status == 200, "the access token does not fit"
        return str((await response.json())["user_id"]).partition(":")[2]


@asynccontextmanager
async def open_synapse(ground: Ground) -> AsyncIterator[Subject]:
    """The Synapse of this run, or the one at PORTER_TEST_SYNAPSE."""
    url = given("synapse")
    if url is not None:
        admin_token = needed("synapse", "token")
    else:
        assert ground.synapse is not None
        url = ground.synapse.url
        admin_token = await ground.synapse.register_user("contract-admin", "pass-word-1", True)
    name = await server_name_at(ground.session, url, admin_token)
    line = BadLine(url)
    await line.start()
    try:
        yield AdminSubject(ground.session, url, admin_token, name, line)
    finally:
        await line.stop()
