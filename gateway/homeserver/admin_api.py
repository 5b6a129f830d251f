"""Synapse's admin API: one question to it, and what its refusals mean."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import Answer, ask


class AdminApi:
    """Asks with the access token of a server admin."""

    def __init__(
        self, session: aiohttp.ClientSession, url: str, admin_token: str, timeout: timedelta
    ) -> None:
        self.url = url.rstrip("/")
        self._session = session
        self._headers = {"Authorization": f"Bearer {admin_token}"}
        self._timeout = timeout

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Ask below `/_synapse/admin`; `path` is escaped already. Raises HomeserverError."""
        url = URL(f"{self.url}/_synapse/admin{path}", encoded=True).update_query(query or {})
        return await ask(
            self._session,
            method,
            url,
            timeout=self._timeout,
            headers=self._headers,
            body=body,
        )

    async def whoami(self) -> str:
        """The id of the account whose token this is. Raises HomeserverError.

        https://spec.matrix.org/v1.17/client-server-api/#get_matrixclientv3accountwhoami
        """
        answer = await ask(
            self._session,
            "GET",
            URL(f"{self.url}/_matrix/client/v3/account/whoami"),
            timeout=self._timeout,
            headers=self._headers,
        )
        user = answer.body.get("user_id")
        if answer.status != 200 or not isinstance(user, str):
            raise self.refusal("say whose access token it is", answer)
        return user

    def refusal(self, wish: str, answer: Answer) -> HomeserverError:
        """What an answer means that did not fulfil the `wish`."""
        if answer.errcode in ("M_UNKNOWN_TOKEN", "M_MISSING_TOKEN", "M_FORBIDDEN"):
            return HomeserverError(
                f"{self.url} does not accept homeserver.admin_token as a server admin's "
                f"access token ({answer.status} {answer.errcode})"
            )
        if answer.status == 429:
            pause = answer.retry_after
            when = "later" if pause is None else f"in {pause:g} s"
            return HomeserverError(f"{self.url} asks to slow down and to try again {when}")
        if answer.status == 404:
            return HomeserverError(
                f"{self.url} does not offer Synapse's admin API at this address (404)"
            )
        return HomeserverError(
            f"{self.url} did not {wish}: it answered {answer.status} {answer.errcode}".rstrip()
        )
