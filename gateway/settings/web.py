"""The page."""

from typing import Annotated, Literal

from pydantic import Field

from gateway.settings.section import Section
from gateway.settings.values import FilePath, Network, Port

Connections = Annotated[int, Field(ge=1, le=100_000)]


class Web(Section):
    """The page. Nothing is trusted to name the client's address unless it stands here."""

    host: str = "127.0.0.1"
    port: Port = 8090
    public_url: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    forwarded: Literal["x_forwarded_for", "forwarded"] = "x_forwarded_for"
    connections: Connections = 2000
    connections_each: Connections = 100
    logo: FilePath | None = None
    favicon: FilePath | None = None
    templates: FilePath | None = None
