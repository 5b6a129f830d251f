"""An access token by OAuth 2.0 client credentials, as a Matrix Authentication Service gives one.

https://www.rfc-editor.org/rfc/rfc6749#section-4.4, its token endpoint by
https://openid.net/specs/openid-connect-discovery-1_0.html#ProviderConfig
"""

import asyncio
import base64
import re
import time
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import Answer, Unreadable, ask

SCOPE = "urn:mas:admin"
_USED = 0.8  # share of a token's life after which another is fetched
_TOKEN = re.compile(r"[!-~]+")  # https://www.rfc-editor.org/rfc/rfc6749#appendix-A.12
_UNTOLD_LIFE = 60.0  # seconds; for a service that does not tell how long its tokens live
_LONGEST_LIFE = 86_400  # seconds; no harm in asking again after a day


class ClientCredentials:
    """Fetches an access token when one is needed, and keeps it while it lives.

    Questions that need one at the same time fetch it once.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        auth_url: str,
        client_id: str,
        client_secret: str,
        timeout: timedelta,
    ) -> None:
        self.url = auth_url.rstrip("/")
        self._session = session
        # Not percent-encoded before, as section 2.3.1 of the RFC has it: MAS does not decode it.
        basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
        self._headers = {"Authorization": f"Basic {basic}"}
        self._timeout = timeout
        self._turn = asyncio.Lock()
        self._token: str | None = None
        self._renew_at = 0.0

    async def token(self) -> str:
        """An access token that lives. Raises HomeserverError, which names the setting at fault."""
        async with self._turn:
            if self._token is None or time.monotonic() >= self._renew_at:
                self._token = None
                self._token = await self._fetch()
            return self._token

    def forget(self, token: str) -> None:
        """A token was not accepted: the next question fetches another, unless one did already."""
        if self._token == token:
            self._token = None

    async def _fetch(self) -> str:
        endpoint = await self._endpoint()
        asked_at = time.monotonic()
        answer = await ask(
            self._session,
            "POST",
            endpoint,
            timeout=self._timeout,
            headers=self._headers,
            form={"grant_type": "client_credentials", "scope": SCOPE},
        )
        token = answer.body.get("access_token")
        if answer.status != 200 or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise self._refusal(answer)
        if SCOPE not in str(answer.body.get("scope", SCOPE)).split():
            raise self._no_admin()
        self._renew_at = asked_at + _life(answer.body.get("expires_in")) * _USED
        return token

    async def _endpoint(self) -> URL:
        """Where tokens are fetched: asked each time, so that it may move."""
        remedy = (
            "homeserver.auth_url must lead to a listener of the Matrix Authentication Service that"
            " serves `discovery` and `adminapi`"
        )
        address = URL(f"{self.url}/.well-known/openid-configuration")
        try:
            answer = await ask(self._session, "GET", address, timeout=self._timeout)
        except Unreadable as error:
            raise HomeserverError(f"{error}; {remedy}") from None
        try:
            endpoint = URL(answer.body["token_endpoint"])
        except (KeyError, TypeError, ValueError):
            endpoint = URL()
        is_web = endpoint.scheme in ("http", "https") and endpoint.host and not endpoint.user
        if answer.status != 200 or not is_web:
            raise HomeserverError(
                f"{self.url} answered {answer.status}, but named no token endpoint; {remedy}"
            )
        if address.scheme == "https" and endpoint.scheme != "https":
            raise HomeserverError(
                f"{self.url} names a token endpoint without TLS, and gets no client secret there:"
                " its http.public_base must begin with https"
            )
        return endpoint

    def _refusal(self, answer: Answer) -> HomeserverError:
        """What an answer of the token endpoint means that holds no token."""
        error = answer.body.get("error")
        if error == "invalid_client":
            return HomeserverError(
                f"{self.url} does not accept homeserver.client_id and homeserver.client_secret:"
                " they must be those of one of its `clients`, which has"
                " client_auth_method: client_secret_basic"
            )
        if error == "unauthorized_client":
            return HomeserverError(
                f"{self.url} gives homeserver.client_id no access token of its own: the client"
                " needs a client_secret, and client_auth_method: client_secret_basic"
            )
        if error == "invalid_scope":
            return self._no_admin()
        if answer.status == 429:
            return HomeserverError(f"{self.url} asks to slow down and to try again later")
        said = f"{answer.status} {error}" if isinstance(error, str) else str(answer.status)
        return HomeserverError(f"{self.url} gave no access token: it answered {said[:80]}")

    def _no_admin(self) -> HomeserverError:
        return HomeserverError(
            f"{self.url} does not let homeserver.client_id administer it: name this client in its"
            " policy.data.admin_clients"
        )


def _life(seconds: Any) -> float:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds > 0:
        return _UNTOLD_LIFE
    return float(min(seconds, _LONGEST_LIFE))
