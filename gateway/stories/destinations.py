"""The story of a mail's destination: before the first mail goes out, whether its domain takes any.

What the DNS says can delay a mail, or let a person look at the request. It refuses nobody, and the
applicant does not wait for it. Without a bot nobody would be told, so nobody asks.
"""

from datetime import timedelta

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.mail.exchangers import Exchangers, NoWord
from gateway.rules.addresses import is_for_everybody, parse_address
from gateway.rules.doubts import Doubt, DoubtCode
from gateway.rules.mail_hosts import mail_doubt
from gateway.settings.settings import Settings
from gateway.store import audit, late_doubts, lookback, outbox, registrations
from gateway.store.database import Database
from gateway.store.keyring import Keyring
from gateway.store.outbox import Mail
from gateway.store.registrations import Registration, Status
from gateway.stories.waiting import announce

_log = structlog.get_logger(__name__)

_PATIENCE = timedelta(minutes=2)  # so long a mail waits for a DNS that does not answer


class Destinations:
    """Doubts those that take no mail, or let a throw-away domain take it."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        keyring: Keyring,
        exchangers: Exchangers,
        clock: Clock = utc_now,
    ) -> None:
        self._domains = settings.addresses.domains
        self._is_asked = settings.addresses.mx and settings.bot is not None
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._keyring = keyring
        self._exchangers = exchangers
        self._clock = clock

    async def is_doubted(self, mail: Mail, registration: Registration) -> bool:
        """Whether, instead of getting this mail, the request waits for a person from now on.

        Raises NoWord while the mail should wait for the DNS.
        """
        domain = parse_address(registration.email).domain
        if not (self._is_asked and self._is_first(mail, registration)):
            return False
        if is_for_everybody(domain) or self._domains.are_sure_of(domain):
            return False
        try:
            hosts = await self._exchangers.of(domain)
        except NoWord:
            # A clock that was set back does not make it wait for longer.
            if timedelta() <= self._clock() - mail.created_at < _PATIENCE:
                raise
            return False
        doubt = mail_doubt(domain, hosts, self._domains)
        if doubt is None:
            return False
        return await self._database.write(lambda c: self._let_wait(c, mail, doubt))

    @staticmethod
    def _is_first(mail: Mail, registration: Registration) -> bool:
        """Whether nothing went out yet, and no person was to look at the request."""
        is_pending = registration.status is Status.PENDING
        return is_pending and not registration.reviews and mail.attempts == 0

    def _let_wait(self, connection: Connection, mail: Mail, doubt: Doubt) -> bool:
        number, now = mail.registration_id, self._clock()
        before = registrations.get(connection, number)
        if before is None or before.status is not Status.PENDING or before.is_forgotten:
            return True  # it ended meanwhile, and its mail with it
        if audit.about(connection, f"registration {number}"):
            return False  # a person looked at it, and let it go on
        late_doubts.let_wait(connection, number, doubt.code, doubt.detail)
        outbox.drop(connection, mail)
        registration = registrations.get(connection, number)
        assert registration is not None
        if doubt.code is not DoubtCode.NO_MAIL_SERVER:
            outbox.owe(connection, number, self._mail_domain, now, "review")
        known = self._keyring.pseudonyms(registration.email_key)
        past = lookback.earlier(connection, registration, number, pseudonyms=known)
        announce(connection, registration, past, now)
        _log.info("destination_doubted", registration=number, code=doubt.code)
        return True
