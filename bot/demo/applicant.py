"""An applicant as the desk and the homeserver meet him: over HTTP, like anybody."""

import asyncio
import re
from dataclasses import dataclass
from typing import Any

import aiohttp
import altcha

_REGISTER = "/_matrix/client/v3/register"
_TAG = re.compile(r"<[^>]*>")
_COMPLAINT = re.compile(r'<div class="complaints".*?<ul>(.*?)</ul>', re.DOTALL)
_OPENING = re.compile(r'<p class="opening[^>]*>(.*?)</p>', re.DOTALL)
_DUMMY = {"type": "m.login.dummy"}  # Synapse asks for it after the token
_TOKEN = re.compile(r"^ {4}([a-z0-9]{20,64})\s*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Page:
    """What came back: the status, and the words on the page without their markup."""

    status: int
    html: str

    @property
    def headline(self) -> str:
        """What the page says first: its complaint, its opening, or its whole text, on one line."""
        found = _COMPLAINT.search(self.html) or _OPENING.search(self.html)
        return " ".join(_TAG.sub(" ", found[1] if found else self.html).split())[:200]


class Applicant:
    """Somebody at `ip` who asks the desk at `desk_url` for an account."""

    def __init__(
        self, session: aiohttp.ClientSession, desk_url: str, homeserver_url: str, ip: str
    ) -> None:
        self._session = session
        self._desk_url = desk_url
        self._homeserver_url = homeserver_url
        # The demo's desk trusts loopback to say for whom it speaks, as it would a proxy.
        self._headers = {"X-Forwarded-For": ip, "Accept": "text/html"}

    async def look(self) -> Page:
        """Fetch the form."""
        async with self._session.get(self._desk_url + "/", headers=self._headers) as response:
            return Page(response.status, await response.text())

    async def ask(self, name: str, email: str) -> Page:
        """Post the form, with what the page's script would send along."""
        form = {"requested_username": name, "email": email, "altcha": await self._solve()}
        async with self._session.post(
            self._desk_url + "/register", data=form, headers=self._headers
        ) as response:
            return Page(response.status, await response.text())

    async def _solve(self) -> str:
        """A solved challenge; nothing where the desk asks for none."""
        async with self._session.get(
            self._desk_url + "/challenge", headers=self._headers
        ) as response:
            if response.status == 404:
                return ""
            challenge = altcha.Challenge.from_dict(await response.json())
        solution = await asyncio.to_thread(altcha.solve_challenge, challenge)
        return "" if solution is None else altcha.Payload(challenge, solution).to_base64()

    async def open_account(self, name: str, token: str) -> tuple[int, dict[str, Any]]:
        """Register with a token, as a Matrix client does; returns the status and the answer."""
        wish = {"username": name, "password": "a-long-pass-word-of-mine"}
        status, answer = await self._register(wish)
        proof = {"session": answer.get("session")}
        for stage in ({"type": "m.login.registration_token", "token": token}, _DUMMY):
            status, answer = await self._register({**wish, "auth": stage | proof})
            if status == 200 or "errcode" in answer:
                break
        return status, answer

    async def _register(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        async with self._session.post(self._homeserver_url + _REGISTER, json=body) as response:
            return response.status, await response.json()


def token_in(text: str) -> str:
    """The registration token in the text part of a mail. Raises ValueError without one."""
    found = _TOKEN.search(text)
    if found is None:
        raise ValueError("there is no token in this mail")
    return found[1]
