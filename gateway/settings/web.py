"""The page."""

from gateway.settings.section import Section
from gateway.settings.values import FilePath, Network, Port


class Web(Section):
    """The page. Nothing is trusted to name the client's address unless it stands here."""

    host: str = "127.0.0.1"
    port: Port = 8090
    public_url: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    logo: FilePath | None = None
    favicon: FilePath | None = None
    templates: FilePath | None = None
