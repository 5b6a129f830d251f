"""tuwunel by its API."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from gateway.homeserver.admin_api import AdminApi
from gateway.homeserver.homeserver import Homeserver
from gateway.homeserver.tuwunel import Tuwunel
from tests.gateway.homeserver.subjects.subject import Ground, Open, Subject, given, names_at, needed
from tests.gateway.homeserver.subjects.synapse import AdminSubject, server_name_at
from tests.stand_ins import tuwunel
from tests.stand_ins.bad_line import BadLine


class TuwunelSubject(AdminSubject):
    """Its own edge, on the same line."""

    def edge(self, timeout: timedelta) -> Homeserver:
        api = AdminApi(self.session, self._line.url, self._admin_token, timeout)
        names = names_at(self.session, self._line.url, timeout)
        return Tuwunel(api, names, self._server_name, has_room=False)


def open_tuwunel(version: str) -> Open:
    """The stand-in of a version, or the server at PORTER_TEST_TUWUNEL."""

    @asynccontextmanager
    async def open_it(ground: Ground) -> AsyncIterator[Subject]:
        url = given("tuwunel")
        if url is not None:
            admin_token = needed("tuwunel", "token")
            async with _on_a_line(ground, url, admin_token) as subject:
                yield subject
            return
        server = tuwunel.Tuwunel(registration_token="theguardoftheconfiguration", version=version)
        admin_token = server.make_admin("contract-admin")
        await server.start()
        try:
            async with _on_a_line(ground, server.url, admin_token) as subject:
                yield subject
        finally:
            await server.stop()

    return open_it


@asynccontextmanager
async def _on_a_line(ground: Ground, url: str, admin_token: str) -> AsyncIterator[Subject]:
    name = await server_name_at(ground.session, url, admin_token)
    line = BadLine(url)
    await line.start()
    try:
        yield TuwunelSubject(ground.session, url, admin_token, name, line)
    finally:
        await line.stop()
