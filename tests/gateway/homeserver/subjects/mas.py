"""A Matrix Authentication Service, behind a line on which answers go wrong."""

import re
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta

import aiohttp

from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.homeserver import Homeserver
from gateway.homeserver.mas import Mas as Edge
from gateway.homeserver.mas_api import MasApi
from tests.gateway.homeserver.subjects.subject import (
    BRIEF,
    PATIENCE,
    Ground,
    Subject,
    given,
    needed,
)
from tests.stand_ins.bad_line import DONE, NOT_DONE, BadLine
from tests.stand_ins.mas import CLIENT_ID, CLIENT_SECRET
from tests.stand_ins.mas_pages import PagedMas

_SECRET_WORDS = "a long pass phrase for nobody"
# What is filled in on each of its pages, by the last part of their addresses.
_FORMS = {
    "password": {"password": _SECRET_WORDS, "password_confirm": _SECRET_WORDS},
    "token": {},
    "display-name": {"action": "skip"},
}


class MasSubject(Subject):
    """`url` is its own, `line` leads there."""

    faults = (*DONE, *NOT_DONE)
    done = DONE
    ends_tokens = True

    def __init__(
        self, session: aiohttp.ClientSession, url: str, client: tuple[str, str], line: BadLine
    ) -> None:
        super().__init__(session)
        self.url = url
        self._line = line
        self._credentials = ClientCredentials(session, line.url, *client, PATIENCE)
        self._edge = self.edge(PATIENCE)
        self.homeserver = self._edge

    def edge(self, timeout: timedelta) -> Edge:
        """The edge to it, by the line; all have one access token."""
        return Edge(MasApi(self.session, self._credentials, timeout), timeout, at_once=2)

    async def open_account(self, name: str, token: str) -> bool:
        """Fill in page after page, in a browser of one's own; the last leads away from them."""
        given = {"username": name, "token": token}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            answer = await browser.get(f"{self.url}/register/password")
            for _ in range(len(_FORMS)):
                page, form = await answer.text(), _FORMS.get(answer.url.name)
                csrf = re.search(r'name="csrf" value="([^"]+)"', page)
                if form is None or csrf is None:
                    break
                answer = await browser.post(answer.url, data=given | form | {"csrf": csrf[1]})
            await answer.read()
            return answer.status < 400 and "/register" not in answer.url.path

    async def values(self) -> set[str]:
        """As the service itself lists them."""
        token = await self._credentials.token()
        async with self.session.get(
            f"{self.url}/api/admin/v1/user-registration-tokens",
            params={"filter[valid]": "true", "page[first]": "100000", "count": "false"},
            headers={"Authorization": f"Bearer {token}"},
        ) as response:
            assert response.status == 200
            return {each["attributes"]["token"] for each in (await response.json())["data"]}

    def go_wrong(self, fault: str) -> None:
        self._line.faults.append(fault)

    def impatient(self) -> Homeserver:
        edge = self.edge(BRIEF)
        # Without what it learnt it would list tokens first, and the fault befall that.
        edge._tokens._ulids = self._edge._tokens._ulids
        return edge


@asynccontextmanager
async def open_mas(ground: Ground) -> AsyncIterator[Subject]:
    """The stand-in of MAS 1.22, or the one at PORTER_TEST_MAS."""
    url = given("mas")
    async with AsyncExitStack() as stack:
        if url is not None:
            client = needed("mas", "client_id"), needed("mas", "client_secret")
        else:
            mas, client = PagedMas(), (CLIENT_ID, CLIENT_SECRET)
            await mas.start()
            stack.push_async_callback(mas.stop)
            url = mas.url
        line = BadLine(url)
        await line.start()
        stack.push_async_callback(line.stop)
        subject = MasSubject(ground.session, url, client, line)
        await subject.homeserver.check()  # with an access token, which lasts
        yield subject
