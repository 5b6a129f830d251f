"""The headers of every answer, and what a client asks for in its own."""

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

# `Referrer-Policy: no-referrer` would turn the Origin of our own form into "null", and browsers
# that leave out Sec-Fetch-Site (plain HTTP) could not be told from another site any more. Nor does
# `same-origin` tell another site anything.
SECURITY: Mapping[str, str] = MappingProxyType(
    {
        "Content-Security-Policy": (
            "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self';"
            " frame-ancestors 'none'; base-uri 'none'"
        ),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "same-origin",
        "Server": "Porter",  # else aiohttp tells its version, and Python's
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }
)
# For the page with the form, where the human check works with a script.
_SCRIPTED = "; script-src 'self'; worker-src 'self'; connect-src 'self'"
HTML = "text/html; charset=utf-8"
JSON = "application/json; charset=utf-8"
_MOST_TYPES = 40


def form_page(human_check: str, cache: str, language: str) -> dict[str, str]:
    """The headers of the page with the form. It holds a token of the visitor's own."""
    head = page(HTML, cache, language)
    if human_check != "off":
        head["Content-Security-Policy"] += _SCRIPTED
        head["Cache-Control"] = f"private, {cache}"
    return head


def page(kind: str, cache: str, language: str) -> dict[str, str]:
    """The headers of an answer that differs by what the client asks for."""
    return {
        **SECURITY,
        "Content-Type": kind,
        "Content-Language": language,
        "Cache-Control": cache,
        "Vary": "Accept, Accept-Language",
    }


@lru_cache(maxsize=256)
def wants_json(accept: str, default: bool = False) -> bool:
    """Whether a client would rather read JSON than HTML; `default` when it does not care.

    A wildcard names neither, so that `application/json, text/plain, */*` means JSON.
    """
    json, html = _weight(accept, "application/json"), _weight(accept, "text/html")
    return json > html if json or html else default


def _weight(accept: str, kind: str) -> float:
    for choice in accept.split(",")[:_MOST_TYPES]:
        name, *parameters = (part.strip().lower() for part in choice.split(";"))
        if name != kind:
            continue
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    return max(0.0, min(1.0, float(parameter[2:])))
                except ValueError:
                    return 0.0
        return 1.0
    return 0.0
