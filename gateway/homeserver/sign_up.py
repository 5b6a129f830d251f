"""What a homeserver asks of whoever signs up: found out by beginning, and going no further.

https://spec.matrix.org/v1.17/client-server-api/#post_matrixclientv3register: a question without
`auth` opens no account, it is answered with the ways in.
"""

from dataclasses import dataclass
from datetime import timedelta

import aiohttp
from yarl import URL

from gateway.homeserver.question import ask

_STEP = "m.login.registration_token"
_MOST = 20  # ways in, and steps in one of them


@dataclass(frozen=True, slots=True)
class SignUp:
    """The ways in, each with what it asks for. `is_closed`: nobody is taken.

    With neither, the server did not say: `status` is how it answered.
    """

    status: int
    flows: tuple[tuple[str, ...], ...] = ()
    is_closed: bool = False

    @property
    def without_token(self) -> tuple[tuple[str, ...], ...]:
        """The ways in that ask for no registration token."""
        return tuple(flow for flow in self.flows if _STEP not in flow)


async def ask_sign_up(
    session: aiohttp.ClientSession,
    url: str,
    timeout: timedelta,  # noqa: ASYNC109 - the question keeps it
) -> SignUp:
    """Begin to sign up. Raises HomeserverError."""
    address = URL(url.rstrip("/") + "/_matrix/client/v3/register")
    answer = await ask(session, "POST", address, timeout=timeout, body={})
    flows = answer.body.get("flows")
    if answer.status == 401 and isinstance(flows, list):
        return SignUp(answer.status, tuple(_steps(flow) for flow in flows[:_MOST]))
    return SignUp(answer.status, is_closed=answer.status == 403 and answer.errcode == "M_FORBIDDEN")


def _steps(flow: object) -> tuple[str, ...]:
    stages = flow.get("stages") if isinstance(flow, dict) else None
    return tuple(str(each)[:80] for each in stages[:_MOST]) if isinstance(stages, list) else ()
