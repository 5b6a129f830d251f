"""The story of one mail: taken from the outbox, screened once more, written, handed over.

A mail is written at the moment of sending, so that one which waited past a rotation carries a
token that works. Between the server's "accepted" and our note of it a crash can send it twice
(RFC 1047); it then has the same Message-ID and the same token.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import HomeserverError, NameAvailability, Names, NotYet
from gateway.mail.compose import ACCOUNT_NOTICES, Composer, Notice
from gateway.mail.delivery import DeliveryError, Mailer
from gateway.rules.addresses import parse_address
from gateway.rules.networks import plain_address
from gateway.rules.screening import Refusal, banned
from gateway.settings.settings import Settings
from gateway.store import audit, outbox, registrations, tokens
from gateway.store.audit import PORTER
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.outbox import Mail
from gateway.store.registrations import LIVE, UNDECIDED, Registration, Status
from gateway.store.tokens import IssuedToken
from gateway.stories import failures
from gateway.stories.tokens.rotation import Rotation
from gateway.stories.waiting import settle

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# The states in which what a mail says is true.
_WANTED = {"token": LIVE, "review": (Status.REVIEW,), "rejected": (Status.REJECTED,)}
_WANTED |= dict.fromkeys(ACCOUNT_NOTICES, (Status.REGISTERED,))
_GLANCE = 1.0  # seconds between two looks when nobody wakes us
_FAREWELL = 5.0  # seconds that deliveries under way are granted at the end
_NAME_QUESTIONS = 3  # attempts that wait for the homeserver's word on a name
_PATIENCE = (0.5, 1, 2, 4, 8, 16, 32, 32)  # seconds; with the delivery itself within a lease


class Courier:
    """Delivers what the outbox owes; `bell` rings when there is something new."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        bans: BanFiles,
        names: Names,
        rotation: Rotation,
        composer: Composer,
        mailer: Mailer,
        bell: asyncio.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._give_up_after = settings.smtp.give_up_after
        self._at_once = settings.smtp.connections
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._bans = bans
        self._names = names
        self._rotation = rotation
        self._composer = composer
        self._mailer = mailer
        self._clock = clock
        self._bell = bell

    async def run(self) -> None:
        """Deliver until cancelled; what is under way then gets a moment to end."""
        under_way: set[asyncio.Task[None]] = set()
        try:
            while True:
                free = self._at_once - len(under_way)
                mails: list[Mail] = []
                if free:
                    self._bell.clear()
                    mails = await self._claim_or_wait(free)
                under_way |= {asyncio.create_task(self.deliver(mail)) for mail in mails}
                bell = asyncio.create_task(self._bell.wait())
                try:
                    # A full house wakes when one is done, an idle one at the bell.
                    waiting = {*under_way} if len(under_way) == self._at_once else {bell}
                    await asyncio.wait(
                        waiting, timeout=_GLANCE, return_when=asyncio.FIRST_COMPLETED
                    )
                finally:
                    bell.cancel()
                done = {task for task in under_way if task.done()}
                under_way -= done
                for task in done:
                    if not task.cancelled() and (error := task.exception()):
                        # Its mail comes back when the lease is over; the others wait for nobody.
                        _log.error("delivery_fell", exc_info=error)
                if len(mails) == free:
                    self._bell.set()  # there may be more
        finally:
            if under_way:
                await asyncio.wait(under_way, timeout=_FAREWELL)
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _claim_or_wait(self, most: int) -> list[Mail]:
        try:
            return await self.claim(most)
        except SQLAlchemyError as error:
            # Deliveries under way go on; the next look finds the mails where they are.
            _log.error("outbox_unreadable", reason=complaint(error))
            return []

    async def claim(self, most: int) -> list[Mail]:
        """Lease due mails."""
        # A look first: an idle desk need not write to the disk each second.
        if not (await self._database.read(outbox.depth))[0]:
            return []
        return await self._database.write(lambda c: outbox.claim(c, most, self._clock()))

    async def deliver(self, mail: Mail) -> None:
        """One attempt at one mail, and the record of how it ended."""
        try:
            await self._attempt(mail)
        except (DeliveryError, HomeserverError, ValueError) as error:
            permanent = not isinstance(error, HomeserverError)
            if isinstance(error, DeliveryError):
                permanent = error.permanent
            await self._record_failure(mail, str(error), permanent, isinstance(error, NotYet))
        except asyncio.CancelledError:
            await self._database.write(lambda c: outbox.release(c, [mail]))
            raise
        except SQLAlchemyError as error:
            # Its lease runs out, and it is tried again.
            _log.error("mail_not_recorded", mail=mail.id, reason=complaint(error))
        except Exception as error:
            _log.exception("mail_stuck", mail=mail.id)
            await self._record_failure(mail, f"unexpected {type(error).__name__}", False, False)

    async def _attempt(self, mail: Mail) -> None:
        registration = await self._database.read(
            lambda c: registrations.get(c, mail.registration_id)
        )
        if registration is None or registration.status not in _WANTED[mail.kind]:
            await self._database.write(lambda c: outbox.drop(c, mail))
            return
        if mail.kind in ("rejected", *ACCOUNT_NOTICES):
            await self._tell(mail, registration, mail.kind)
            return
        refusals = self._screen_again(registration)
        if refusals:
            await self._reject(registration, "; ".join(each.detail for each in refusals), None)
            return
        if mail.kind == "review":
            await self._tell(mail, registration, "review")
            return
        if await self._is_taken(mail, registration):
            await self._tell(mail, registration, "taken")
            return
        token = await self._rotation.token_for(registration.id)
        message = self._composer.token_mail(
            to=registration.email,
            name=registration.name,
            token=token.value,
            now=self._clock(),
            expires_at=self._rotation.ends_at(token),
            message_id=mail.message_id,
            link=token.link,
            language=registration.language,
        )
        await self._mailer.send(message)
        await self._record_success(mail, token)

    def _screen_again(self, registration: Registration) -> list[Refusal]:
        """A ban that came while the mail waited holds for it too."""
        return banned(
            self._bans.book,
            plain_address(registration.ip),
            parse_address(registration.email),
            registration.name,
            self._clock(),
        )

    async def _is_taken(self, mail: Mail, registration: Registration) -> bool:
        """Whether the homeserver has the name by now. Raises HomeserverError when it must say."""
        if registration.name_checked or mail.attempts >= _NAME_QUESTIONS:
            return False
        availability = await self._names.availability(registration.name)
        if availability is NameAvailability.UNKNOWN:
            raise HomeserverError("the homeserver does not say whether the name is free")
        return availability is NameAvailability.TAKEN and registration.mailed_at is None

    async def _tell(self, mail: Mail, registration: Registration, notice: Notice) -> None:
        """Send a mail without a token; one about a taken name also ends the request."""
        message = self._composer.notice(
            notice,
            to=registration.email,
            name=registration.account or registration.name,
            now=self._clock(),
            message_id=mail.message_id,
            language=registration.language,
            reason=mail.text,
        )
        await self._mailer.send(message)
        if notice == "taken":
            await self._reject(registration, f"the name {registration.name} is taken", mail)
        else:
            await self._insist(lambda c: outbox.sent(c, mail, self._clock()))
            _log.info("notice_sent", mail=mail.id, registration=registration.id, notice=notice)

    async def _reject(self, registration: Registration, reason: str, told: Mail | None) -> None:
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
        _log.info("request_rejected", registration=registration.id, reason=reason)

    async def _record_success(self, mail: Mail, token: IssuedToken) -> None:
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
        if owed_again:
            self._bell.set()

    @staticmethod
    def _has_working_token(connection: Connection, registration_id: int, now: datetime) -> bool:
        """Whether an earlier mail reached him, so that only this repetition failed."""
        token_id = registrations.mailed_token(connection, registration_id)
        return token_id is not None and tokens.still_works(connection, token_id, now)

    async def _insist(self, record: Callable[[Connection], T]) -> T:
        """Write down that a mail went out, however often it takes: else it goes out again."""
        for pause in _PATIENCE:
            try:
                return await self._database.write(record)
            except SQLAlchemyError as error:
                _log.error("mail_not_recorded_yet", reason=complaint(error), again_in=pause)
            await asyncio.sleep(pause)
        return await self._database.write(record)

    async def _record_failure(self, mail: Mail, reason: str, permanent: bool, waits: bool) -> None:
        """`waits`: nothing went wrong; what the mail needs is not there yet."""
        now, whose = self._clock(), mail.registration_id
        over = permanent or now - mail.created_at > self._give_up_after

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
            return outbox.postponed(connection, mail, reason, now)

        try:
            again_at = await self._database.write(record)
        except SQLAlchemyError as error:
            _log.error("mail_not_recorded", mail=mail.id, reason=complaint(error))
            return
        tell, what = (_log.info, "mail_waits") if waits else (_log.warning, "mail_failed")
        tell(what, mail=mail.id, reason=reason, again_at=str(again_at))
