"""How long what the desk keeps about people is kept."""

from datetime import timedelta

from gateway.settings.section import Section
from gateway.settings.values import Duration


class Retention(Section):
    """Spans after which something is deleted or blanked. None: never."""

    refused: Duration | None = timedelta(days=30)
    addresses: Duration | None = timedelta(days=90)
    ips: Duration | None = timedelta(days=30)
    networks: Duration | None = timedelta(days=180)
    audit: Duration | None = timedelta(days=365)
    alerts: Duration | None = timedelta(days=90)
