"""The admin API of a Matrix Authentication Service (MAS): one question to it, and its lists.

Written after MAS 1.22 (docs/api/spec.json). Answers have the shape of https://jsonapi.org.
"""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
from yarl import URL

from gateway.homeserver.client_credentials import ClientCredentials
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import Answer, Unreadable, ask

_PAGE = 200  # things in one answer: about 100 KiB
_ULID = re.compile(r"[0-9A-HJKMNP-TV-Z]{26}")


@dataclass(frozen=True, slots=True)
class Resource:
    """A thing of MAS: its ULID, which begins with the time when it was made, and its attributes."""

    ulid: str
    attributes: Mapping[str, Any]

    def text(self, key: str) -> str:
        """An attribute that is a text. Raises HomeserverError."""
        value = self.attributes.get(key)
        if not isinstance(value, str):
            raise HomeserverError(f"the answer of the authentication service lacks {key}")
        return value

    @property
    def made_at(self) -> datetime:
        """When it was made. Raises HomeserverError."""
        try:
            return datetime.fromisoformat(self.text("created_at")).astimezone(UTC)
        except (ValueError, OverflowError):
            raise HomeserverError(
                "the authentication service answered with a created_at that is no time"
            ) from None

    def has(self, key: str) -> bool:
        """Whether an attribute is told that is null as long as it is not so."""
        return self.attributes.get(key) is not None


class MasApi:
    """Asks as a client that may administer the service."""

    def __init__(
        self, session: aiohttp.ClientSession, credentials: ClientCredentials, timeout: timedelta
    ) -> None:
        self.url = credentials.url
        self._session = session
        self._credentials = credentials
        self._timeout = timeout

    async def ask(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        """Ask below `/api/admin/v1`; `path` is escaped already. Raises HomeserverError."""
        url = URL(f"{self.url}/api/admin/v1{path}", encoded=True).update_query(query or {})
        token = await self._credentials.token()
        answer = await self._ask(method, url, token, body)
        if answer.status == 401:  # it ended early: the service was restored, or its clock was set
            self._credentials.forget(token)
            answer = await self._ask(method, url, await self._credentials.token(), body)
        return answer

    async def _ask(
        self, method: str, url: URL, token: str, body: Mapping[str, Any] | None
    ) -> Answer:
        try:
            return await ask(
                self._session,
                method,
                url,
                timeout=self._timeout,
                headers={"Authorization": f"Bearer {token}"},
                body=body,
            )
        except Unreadable as error:
            if error.status != 404:
                raise
            raise HomeserverError(
                f"{self.url} does not serve its admin API (404): add `adminapi` to the resources of"
                " the listener that homeserver.auth_url leads to"
            ) from None

    def refusal(self, wish: str, answer: Answer) -> HomeserverError:
        """What an answer means that did not fulfil the `wish`."""
        if answer.status == 401:
            return HomeserverError(
                f"{self.url} does not accept the access token that it has just given:"
                " homeserver.auth_url must lead to the service that gives it"
            )
        if answer.status == 429:
            return HomeserverError(f"{self.url} asks to slow down and to try again later")
        return HomeserverError(f"{self.url} did not {wish}: it answered {answer.status}")

    def one(self, answer: Answer) -> Resource:
        """The thing that an answer is about. Raises HomeserverError."""
        return self._read(answer.body.get("data"))

    async def newest_first(self, path: str, **filters: str) -> AsyncIterator[Resource]:
        """A list, page by page, beginning with what was made last. Raises HomeserverError.

        `filters` are the list's own. What is made meanwhile is left out.
        """
        query = {f"filter[{key}]": value for key, value in filters.items()}
        query |= {"page[last]": str(_PAGE), "count": "false"}
        while True:
            answer = await self.ask("GET", path, query=query)
            if answer.status != 200:
                raise self.refusal("list what was asked for", answer)
            data, links = answer.body.get("data"), answer.body.get("links")
            if not isinstance(data, list) or not isinstance(links, dict):
                raise self._strange()
            page = sorted(map(self._read, data), key=lambda each: each.ulid, reverse=True)
            for each in page:
                yield each
            if not page or links.get("prev") is None:
                return
            if page[-1].ulid >= query.get("page[before]", "~"):
                raise self._strange()  # the same again, and it would never end
            query["page[before]"] = page[-1].ulid

    def _read(self, data: Any) -> Resource:
        if isinstance(data, dict):
            ulid, attributes = data.get("id"), data.get("attributes")
            if isinstance(ulid, str) and _ULID.fullmatch(ulid) and isinstance(attributes, dict):
                return Resource(ulid, attributes)
        raise self._strange()

    def _strange(self) -> HomeserverError:
        return HomeserverError(f"{self.url} sent an answer that is none of MAS' admin API")


def is_unknown(answer: Answer) -> bool:
    """Whether the service itself, not a proxy before it, says that there is no such thing."""
    errors = answer.body.get("errors")
    return answer.status == 404 and isinstance(errors, list) and "not found" in str(errors)
