"""One question to a homeserver over HTTP, and its answer: bounded in time and size.

Whatever goes wrong on the way is a HomeserverError of one sentence.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError

# Bytes of an answer. Most have a few hundred; a page of a list has what the people on it like: some
# homeservers take 60,000 for a display name.
_LARGEST = 8 * 1024 * 1024
_LONGEST_PAUSE = 86_400_000  # milliseconds; nobody means a longer one


class Unreadable(HomeserverError):
    """An answer that is not JSON: from a proxy, or for an address that is not served."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON answer. `errcode` is Matrix' name for what went wrong, or empty.

    `server` is the header of that name: of the homeserver, or of a proxy before it.
    """

    status: int
    body: Mapping[str, Any]
    server: str = ""

    @property
    def errcode(self) -> str:
        return str(self.body.get("errcode", ""))[:80]

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait, when the server asked for a pause."""
        pause = self.body.get("retry_after_ms")
        if not isinstance(pause, int | float) or not 0 <= pause <= _LONGEST_PAUSE:
            return None
        return pause / 1000


async def ask(
    session: aiohttp.ClientSession,
    method: str,
    url: URL,
    *,
    timeout: timedelta,  # noqa: ASYNC109 - aiohttp keeps it
    headers: Mapping[str, str] | None = None,
    body: Mapping[str, Any] | None = None,
    form: Mapping[str, str] | None = None,
) -> Answer:
    """Send one request and read its JSON answer, whatever its status.

    A `body` goes as JSON, a `form` as a web form. `timeout` bounds the whole exchange. Redirects
    are not followed: they would carry an admin's token elsewhere. Raises HomeserverError when
    there is no answer, and Unreadable when it is not JSON.
    """
    try:
        async with session.request(
            method,
            url,
            json=body,
            data=form,
            headers=headers,
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=timeout.total_seconds()),
        ) as response:
            status, server = response.status, response.headers.get("Server", "")
            text = bytearray()
            async for chunk in response.content.iter_chunked(16 * 1024):
                text += chunk
                if len(text) > _LARGEST:
                    raise HomeserverError(f"{url.origin()} sent an answer without end")
    except TimeoutError:
        seconds = timeout.total_seconds()
        raise HomeserverError(f"{url.origin()} did not answer within {seconds:g} s") from None
    except (aiohttp.ClientError, UnicodeError) as error:  # the second of a host that is no name
        # Some of these errors quote the address asked, and a token may stand in its path.
        reason = error.strerror if isinstance(error, OSError) else None
        raise HomeserverError(
            f"{url.origin()} cannot be reached ({reason or type(error).__name__})"
        ) from None
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):  # the second of brackets in brackets without end
        answer = None
    if not isinstance(answer, dict):
        raise Unreadable(
            f"{url.origin()} answered {status} with something that is not a Matrix answer", status
        )
    return Answer(status, answer, server)
