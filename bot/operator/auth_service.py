"""Whether the authentication service (MAS) is the homeserver's own, and lets nobody in without a
token."""

from datetime import timedelta
from typing import Any

import aiohttp
from yarl import URL

from bot.operator.finding import Finding
from gateway.homeserver.homeserver import HomeserverError
from gateway.homeserver.identity import Identity
from gateway.homeserver.mas_api import MasApi
from gateway.homeserver.question import ask


async def check_issuer(
    session: aiohttp.ClientSession,
    auth_url: str,
    timeout: timedelta,  # noqa: ASYNC109 - the question keeps it
    server: Identity,
) -> list[Finding]:
    """Compare whom the homeserver names with who answers at `homeserver.auth_url`."""
    url = auth_url.rstrip("/")
    try:
        address = URL(f"{url}/.well-known/openid-configuration")
        answer = await ask(session, "GET", address, timeout=timeout)
    except HomeserverError:
        return []  # the check of its tokens says why
    issuer = answer.body.get("issuer")
    if not isinstance(issuer, str) or server.issuer is None:
        return []
    if issuer.rstrip("/") == server.issuer.rstrip("/"):
        return []
    text = (
        f"homeserver.auth_url: {url} is the service {issuer[:200]}, but the homeserver sends its"
        f" people to {server.issuer}; set the address of that one"
    )
    return [Finding(text)]


async def check_site(api: MasApi) -> list[Finding]:
    """Look at its own settings, which it tells since MAS 1.3."""
    try:
        answer = await api.ask("GET", "/site-config")
    except HomeserverError:
        return []  # the check of its tokens says why
    site = answer.body if answer.status == 200 else {}
    if site.get("password_registration_enabled") is False:
        text = (
            f"homeserver.auth_url: {api.url} registers nobody by password; set"
            " account.password_registration_enabled: true in its configuration"
        )
        return [Finding(text)]
    key = _key(site)
    if site.get(key) is False:
        text = (
            f"homeserver.auth_url: {api.url} lets people in without a token; set"
            f" account.{key}: true in its configuration"
        )
        return [Finding(text)]
    return []


def _key(site: Any) -> str:
    """The setting's name: newer versions tell apart who comes with a password."""
    newer = "password_registration_token_required"
    return newer if newer in site else "registration_token_required"
