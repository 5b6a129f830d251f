"""What a homeserver says it is: its name, its version, and who signs its people in.

https://spec.matrix.org/v1.17/server-server-api/#get_matrixfederationv1version, which a proxy may
lead elsewhere or nowhere. Beside it stand the client API's versions, where tuwunel says the same
(MSC4383), and the header Server, where Synapse does.
"""

import asyncio
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.question import Answer, ask
from gateway.homeserver.version import NO_VERSION, Version, parse_version

_LONGEST = 40  # characters of a name
_HEADER = re.compile(r"Synapse/(\S+)")
# https://spec.matrix.org/v1.17/client-server-api/#get_matrixclientv1auth_metadata, and MSC2965.
_METADATA = ("client/v1/auth_metadata", "client/unstable/org.matrix.msc2965/auth_metadata")
_NOTHING = Answer(0, {})


@dataclass(frozen=True, slots=True)
class Identity:
    """`name` is as the server writes it, empty when it does not say; `issuer` is the service that
    signs its people in, which can be its own."""

    name: str = ""
    version: Version = NO_VERSION
    issuer: str | None = None

    @property
    def key(self) -> str:
        """The name to compare: servers wrote theirs with and without a capital letter."""
        return self.name.lower()

    def __str__(self) -> str:
        return f"{self.name} {self.version.text}".rstrip()


async def identify(
    session: aiohttp.ClientSession,
    url: str,
    timeout: timedelta,  # noqa: ASYNC109 - the questions keep it
) -> Identity:
    """Ask a server what it is, everything side by side.

    Raises HomeserverError when there is no client API at `url`; nothing else must be there.
    """
    url = url.rstrip("/")

    async def look(path: str) -> Answer | HomeserverError:
        try:
            return await ask(session, "GET", URL(f"{url}/_matrix/{path}"), timeout=timeout)
        except HomeserverError as error:
            return error

    paths = ("client/versions", "federation/v1/version", *_METADATA)
    versions, *others = await asyncio.gather(*map(look, paths))
    if isinstance(versions, HomeserverError):
        raise versions
    if versions.status != 200 or not isinstance(versions.body.get("versions"), list):
        raise HomeserverError(f"{url} answered {versions.status}, but not as a homeserver does")
    federation, *metadata = (
        each if isinstance(each, Answer) and each.status == 200 else _NOTHING for each in others
    )
    issuers = [each.body.get("issuer") for each in metadata]
    issuer = next((each for each in issuers if isinstance(each, str) and each), None)
    name, version = _server(versions, federation)
    return Identity(name, version, None if issuer is None else issuer[:200])


def _server(versions: Answer, federation: Answer) -> tuple[str, Version]:
    for answer in (federation, versions):
        server: Any = answer.body.get("server")
        if isinstance(server, dict):
            name = server.get("name")
            if isinstance(name, str) and name.strip():
                return name.strip()[:_LONGEST], parse_version(server.get("version"))
    header = _HEADER.match(versions.server)
    return ("Synapse", parse_version(header[1])) if header else ("", NO_VERSION)
