"""How a mail's attempt ended, written down in one transaction with all that follows from it."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock
from gateway.settings.settings import Settings
from gateway.store import audit, outbox, registrations, tokens
from gateway.store.audit import PORTER
from gateway.store.database import Database, complaint
from gateway.store.outbox import Mail
from gateway.store.registrations import UNDECIDED, Registration, Status
from gateway.store.tokens import IssuedToken
from gateway.stories import failures
from gateway.stories.waiting import settle

T = TypeVar("T")

_log = structlog.get_logger(__name__)

_PATIENCE = (0.5, 1, 2, 4, 8, 16, 32, 32)  # seconds; with the delivery itself within a lease


class Outcomes:
    """Writes them down, and tells the room of those that are failures."""

    def __init__(self, settings: Settings, database: Database, clock: Clock) -> None:
        self._give_up_after = settings.smtp.give_up_after
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._clock = clock

    async def sent(self, mail: Mail, token: IssuedToken) -> bool:
        """The server took a mail with this token; whether it is worth nothing, so that the next
        one is owed."""
        now = self._clock()

        def record(connection: Connection) -> bool:
            outbox.sent(connection, mail, now)
            failures.went_out(connection, mail.registration_id, now)
            registrations.mailed(connection, mail.registration_id, token.id, now)
            if tokens.still_works(connection, token.id, now):
                return False
            # It was withdrawn while the mail was on its way: that mail is worth nothing.
            outbox.owe(connection, mail.registration_id, self._mail_domain, now)
            return True

        owed_again = await self._insist(record)
        _log.info("mail_sent", mail=mail.id, registration=mail.registration_id)
        return owed_again

    async def told(self, mail: Mail) -> None:
        """The server took a mail without a token."""
        await self._insist(lambda c: outbox.sent(c, mail, self._clock()))
        _log.info("notice_sent", mail=mail.id, registration=mail.registration_id, notice=mail.kind)

    async def rejected(
        self, registration: Registration, reason: str, told: Mail | None = None
    ) -> None:
        """End a request before its token goes out; `told` is the mail that said so, if one did."""
        now = self._clock()

        def reject(connection: Connection) -> bool:
            if told is not None:
                outbox.sent(connection, told, now)
            outbox.cancel(connection, registration.id)
            if registrations.become(connection, registration.id, Status.REJECTED, UNDECIDED):
                settle(connection, registration, "rejected", PORTER.who, now, reason)
                subject = f"registration {registration.id}"
                audit.note(connection, PORTER, "reject", subject, now, reason=reason)
                own = tokens.of(connection, registration.id)
                if own is not None:
                    tokens.withdraw(connection, own.id, now)
                failures.rejected(connection, registration.id, reason, now)
            return True

        await self._insist(reject)
        _log.info("request_rejected", registration=registration.id)  # a reason may hold his address

    async def failed(
        self,
        mail: Mail,
        reason: str,
        permanent: bool,
        *,
        waits: bool = False,
        unsure: bool = False,
    ) -> None:
        """`waits`: nothing went wrong; what the mail needs is not there yet. `unsure`: it may have
        arrived, which it is not let do without end."""
        now, whose = self._clock(), mail.registration_id
        over = permanent or now - mail.created_at > self._give_up_after
        if unsure and mail.unsure + 1 >= outbox.MOST_UNSURE:
            over, reason = True, f"it may have arrived {outbox.MOST_UNSURE} times: {reason}"

        def record(connection: Connection) -> datetime | None:
            if over:
                outbox.failed(connection, mail, reason)
                can_resend = mail.kind == "token"
                if can_resend and not self._has_working_token(connection, whose, now):
                    registrations.become(connection, whose, Status.FAILED)
                failures.given_up(connection, whose, reason, now, can_resend=can_resend)
                return None
            if waits:
                return outbox.put_off(connection, mail, reason, now)
            if mail.attempts + 1 >= failures.TELL_AFTER:
                failures.failing(connection, reason, now)
            return outbox.postponed(connection, mail, reason, now, unsure=unsure)

        try:
            again_at = await self._database.write(record)
        except SQLAlchemyError as error:
            _log.error("mail_not_recorded", mail=mail.id, reason=complaint(error))
            return
        tell, what = (_log.info, "mail_waits") if waits else (_log.warning, "mail_failed")
        tell(what, mail=mail.id, reason=reason, again_at=str(again_at))

    async def _insist(self, record: Callable[[Connection], T]) -> T:
        """Write down that a mail went out, however often it takes: else it goes out again."""
        for pause in _PATIENCE:
            try:
                return await self._database.write(record)
            except SQLAlchemyError as error:
                _log.error("mail_not_recorded_yet", reason=complaint(error), again_in=pause)
            await asyncio.sleep(pause)
        return await self._database.write(record)

    @staticmethod
    def _has_working_token(connection: Connection, registration_id: int, now: datetime) -> bool:
        """Whether an earlier mail reached him, so that only this repetition failed."""
        token_id = registrations.mailed_token(connection, registration_id)
        return token_id is not None and tokens.still_works(connection, token_id, now)
