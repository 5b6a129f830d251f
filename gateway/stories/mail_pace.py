"""The story of how long mails take at present, which the page tells whoever waits for one.

It is the same for everybody: it tells nothing of the address that asked.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.pace import Pace, judge
from gateway.store import deliveries
from gateway.store.database import Database, complaint

_log = structlog.get_logger(__name__)

_GLANCE = timedelta(seconds=15)  # how long the page may tell what was read
_LATEST, _WITHIN = 50, timedelta(days=1)  # the mails that are looked at


class MailPace:
    """Looks now and then, never once for each request."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock
        self._pace = Pace()
        self._read_at: datetime | None = None

    async def at_present(self) -> Pace:
        """The pace, a quarter of a minute old at most; without a database, what was known last."""
        now = self._clock()
        if self._read_at is None or not timedelta() <= now - self._read_at < _GLANCE:
            self._read_at = now  # whoever comes meanwhile does not wait for it
            try:
                self._pace = await self._database.read(lambda c: _look(c, now))
            except SQLAlchemyError as error:
                _log.warning("pace_not_read", reason=complaint(error))
        return self._pace


def _look(connection: Connection, now: datetime) -> Pace:
    latest = deliveries.latest(connection, _LATEST)
    last = max((sent_at for _, sent_at in latest), default=None)
    spans = [sent - owed for owed, sent in latest if now - _WITHIN <= sent]
    return judge(spans, deliveries.waits_since(connection, last), now)
