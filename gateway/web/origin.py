"""Cross-site posts: a form on somebody else's page must not ask for accounts for its visitors."""

from collections.abc import Mapping
from urllib.parse import urlsplit


def is_cross_site(headers: Mapping[str, str], public_url: str | None) -> bool:
    """Whether another site made the browser send this request.

    Browsers say so in Sec-Fetch-Site; over plain HTTP they leave it out, and Origin tells. What
    sends neither is no browser, so there is no visitor whose name could be misused.
    """
    site = headers.get("Sec-Fetch-Site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = headers.get("Origin")
    if origin is None:
        return False
    ours = {_host(f"//{headers.get('Host', '')}"), _host(public_url or "")} - {None}
    return _host(origin) not in ours


def _host(url: str) -> tuple[str, int | None] | None:
    """The host and the port, where it is not the one that the scheme implies."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if not host:
        return None
    return host.rstrip("."), None if port in (80, 443) else port
