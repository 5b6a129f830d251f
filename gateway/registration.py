"""The story of one request: screened, counted, decided and recorded in one transaction."""


class NotRecorded(Exception):
    """The request could not be written down, so nothing was promised; it may be sent again."""
