"""Whether kind, way and version fit together: how tokens get in, and what the server says it is.

What each version takes was read in its source.
"""

from dataclasses import dataclass

from bot.operator.finding import Finding
from gateway.homeserver.identity import Identity
from gateway.homeserver.version import parse_version
from gateway.settings.homeserver import Homeserver, Way

DENDRITE = "it stores registration tokens, and its registration asks for none: it cannot be served"
_FAMILY = ("conduwuit", "continuwuity", "tuwunel")  # in much they do the same


@dataclass(frozen=True, slots=True)
class _Server:
    """From a version on: the kind to set, the ways that work, the best first, and why the other
    ways of that kind do not."""

    name: str
    since: str
    kind: str
    ways: tuple[Way, ...]
    why: str = ""


_SERVERS = (
    _Server("synapse", "0", "synapse", ("admin_token",)),
    _Server("conduwuit", "0", "conduwuit", ("token_file",)),
    _Server("continuwuity", "0", "continuwuity", ("token_file",), "it has no command for tokens"),
    _Server("continuwuity", "0.5.2", "continuwuity", ("admin_room",), "it reads no token file"),
    _Server(
        "continuwuity",
        "0.5.7",
        "continuwuity",
        ("admin_room",),
        "it reads its token file once, when it starts, and takes a blank line there for a token",
    ),
    _Server("tuwunel", "0", "tuwunel", ("token_file",), "it knows tokens from its file only"),
    _Server(
        "tuwunel", "1.5", "tuwunel", ("admin_room", "token_file"), "its token API came with 1.8.1"
    ),
    _Server("tuwunel", "1.8.1", "tuwunel", ("admin_token", "admin_room", "token_file")),
    _Server("conduit", "0", "static", ("static_token",), "it reads one token when it starts"),
)
_GAINS: dict[Way, str] = {
    "admin_token": "tokens need no bot then, and each opens one account only",
    "admin_room": "each token opens one account only then",
    "token_file": "each applicant gets a token of his own then",
}


def fit(homeserver: Homeserver, found: Identity) -> list[Finding]:
    """What does not fit, or could fit better."""
    here = f"{homeserver.url.rstrip('/')} is {found}"
    if not found.name:
        text = (
            f"homeserver.kind: {homeserver.url.rstrip('/')} does not say what it is; make sure that"
            f" it is what kind: {homeserver.kind} stands for"
        )
        return [Finding(text, is_warning=True)]
    if found.key == "dendrite":
        return [Finding(f"homeserver.kind: {here}; {DENDRITE}")]
    if found.key == "synapse" and (homeserver.kind == "mas") is not (found.issuer is not None):
        return [Finding(f"homeserver.kind: {here} {_behind(found.issuer)}")]
    if homeserver.kind == "mas" and found.key == "synapse":
        return []
    server = _server(found)
    if server is None:
        return _stranger(homeserver, here)
    if server.kind != homeserver.kind:
        return [_other_kind(homeserver, server, here)]
    return _way(homeserver.way, server, here)


def _behind(issuer: str | None) -> str:
    if issuer is None:
        return (
            "and signs people up itself, without an authentication service; set kind: synapse and"
            " homeserver.admin_token, or put the service before it"
        )
    return (
        f"behind the authentication service {issuer}, so its own tokens are gone; set kind: mas,"
        " homeserver.auth_url, client_id and client_secret"
    )


def _server(found: Identity) -> _Server | None:
    """What is known of it; a version that cannot be read counts as the newest."""
    rows = [each for each in _SERVERS if each.name == found.key]
    if found.version.is_known:
        rows = [each for each in rows if parse_version(each.since) <= found.version]
    return rows[-1] if rows else None


def _stranger(homeserver: Homeserver, here: str) -> list[Finding]:
    if homeserver.kind in ("token_file", "static"):
        return []
    text = (
        f"homeserver.kind: {here}, which is not known here; make sure that it does what kind:"
        f" {homeserver.kind} needs"
    )
    return [Finding(text, is_warning=True)]


def _other_kind(homeserver: Homeserver, server: _Server, here: str) -> Finding:
    best = server.ways[0]
    works = homeserver.way in server.ways and homeserver.kind in (*_FAMILY, "token_file")
    works = works or homeserver.way == "static_token"
    why = f"; {_GAINS[best]}" if works and best != homeserver.way else ""
    if not works and homeserver.way == "token_file" and server.why:
        why = f"; {server.why}"
    text = f"homeserver.kind: {here}; set kind: {server.kind} with homeserver.{best}{why}"
    return Finding(text, is_warning=works)


def _way(way: Way, server: _Server, here: str) -> list[Finding]:
    best = server.ways[0]
    if way == best:
        return []
    if way not in server.ways:
        return [Finding(f"homeserver.{way}: {here}, and {server.why}; set homeserver.{best}")]
    text = f"homeserver.{way}: {here}; homeserver.{best} is better: {_GAINS[best]}"
    return [Finding(text, is_warning=True)]
