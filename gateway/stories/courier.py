"""The story of one mail: taken from the outbox, screened once more, written, handed over.

A mail is written at the moment of sending, so that one which waited past a rotation carries a
token that works. Between the server's "accepted" and our note of it a crash can send it twice
(RFC 1047); it then has the same Message-ID and the same token.
"""

import asyncio
from datetime import timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import HomeserverError, NameAvailability, Names, NotYet
from gateway.mail.compose import ACCOUNT_NOTICES, Composer, Notice
from gateway.mail.delivery import DeliveryError, Mailer
from gateway.mail.exchangers import NoWord
from gateway.rules.addresses import parse_address
from gateway.rules.networks import place
from gateway.rules.screening import Refusal, banned
from gateway.settings.settings import Settings
from gateway.store import outbox, registrations
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.outbox import Mail
from gateway.store.registrations import LIVE, Registration, Status
from gateway.stories.destinations import Destinations
from gateway.stories.outcomes import Outcomes
from gateway.stories.tokens.rotation import Rotation
from gateway.stories.unwanted import Unwanted

_log = structlog.get_logger(__name__)

# The states in which what a mail says is true.
_WANTED = {"token": LIVE, "review": (Status.REVIEW,), "rejected": (Status.REJECTED,)}
_WANTED |= dict.fromkeys(ACCOUNT_NOTICES, (Status.REGISTERED,))
_GLANCE = 1.0  # seconds between two looks when nobody wakes us
_FAREWELL = 5.0  # seconds that deliveries under way are granted at the end
_NAME_QUESTIONS = 3  # attempts that wait for the homeserver's word on a name
_NAME_GOOD_FOR = timedelta(hours=1)  # so long its word holds while a mail waits


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
        unwanted: Unwanted,
        composer: Composer,
        mailer: Mailer,
        destinations: Destinations,
        bell: asyncio.Event,
        clock: Clock = utc_now,
    ) -> None:
        self._at_once = settings.smtp.connections
        self._database = database
        self._bans = bans
        self._names = names
        self._rotation = rotation
        self._unwanted = unwanted
        self._composer = composer
        self._mailer = mailer
        self._destinations = destinations
        self._clock = clock
        self._bell = bell
        self._outcomes = Outcomes(settings, database, clock)

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
        if await self._database.read(outbox.is_empty):
            return []
        return await self._database.write(lambda c: outbox.claim(c, most, self._clock()))

    async def deliver(self, mail: Mail) -> None:
        """One attempt at one mail, and the record of how it ended."""
        try:
            await self._attempt(mail)
        except DeliveryError as error:
            await self._outcomes.failed(mail, str(error), error.permanent, unsure=error.unsure)
        except HomeserverError as error:
            await self._outcomes.failed(mail, str(error), False, waits=isinstance(error, NotYet))
        except NoWord as error:
            await self._outcomes.failed(mail, str(error), False, waits=True)
        except ValueError as error:
            await self._outcomes.failed(mail, str(error), True)
        except asyncio.CancelledError:
            await self._database.write(lambda c: outbox.release(c, [mail]))
            raise
        except SQLAlchemyError as error:
            # Its lease runs out, and it is tried again.
            _log.error("mail_not_recorded", mail=mail.id, reason=complaint(error))
        except Exception as error:
            _log.exception("mail_stuck", mail=mail.id)
            await self._outcomes.failed(mail, f"unexpected {type(error).__name__}", False)

    async def _attempt(self, mail: Mail) -> None:
        registration = await self._database.read(lambda c: self._addressee(c, mail))
        if registration is None:
            await self._database.write(lambda c: outbox.drop(c, mail))
            return
        if mail.kind in ("rejected", *ACCOUNT_NOTICES):
            await self._tell(mail, registration, mail.kind)
            return
        refusals = self._screen_again(registration)
        if refusals:
            await self._outcomes.rejected(
                registration, "; ".join(each.detail for each in refusals), None
            )
            return
        if mail.kind == "review":
            await self._tell(mail, registration, "review")
            return
        if await self._destinations.is_doubted(mail, registration):
            self._bell.set()
            return
        if await self._is_taken(mail, registration):
            await self._tell(mail, registration, "taken")
            return
        token = await self._rotation.token_for(registration.id)
        if token is None:  # his account is there, and with it this mail was called off
            return
        message = self._composer.token_mail(
            to=registration.email,
            name=registration.name,
            token=token.value,
            now=self._clock(),
            expires_at=self._rotation.ends_at(token),
            message_id=mail.message_id,
            link=token.link,
            unwanted_link=self._unwanted.link(registration),
            language=registration.language,
        )
        await self._mailer.send(message)
        if await self._outcomes.sent(mail, token):
            self._bell.set()

    def _addressee(self, connection: Connection, mail: Mail) -> Registration | None:
        """Whom a mail goes to, as long as what it says is true and he wants it."""
        found = registrations.get(connection, mail.registration_id)
        if found is None or found.is_forgotten or found.status not in _WANTED[mail.kind]:
            return None
        return found if self._unwanted.refusal(connection, found) is None else None

    def _screen_again(self, registration: Registration) -> list[Refusal]:
        """A ban that came while the mail waited holds for it too."""
        return banned(
            self._bans.book,
            place(registration.ip, registration.network),
            parse_address(registration.email),
            registration.name,
            self._clock(),
        )

    async def _is_taken(self, mail: Mail, registration: Registration) -> bool:
        """Whether the homeserver has the name by now, and not for him. Raises HomeserverError when
        it must say."""
        if registration.name_checked:
            if self._clock() - mail.created_at < _NAME_GOOD_FOR:
                return False
        elif mail.attempts >= _NAME_QUESTIONS:
            return False
        availability = await self._names.availability(registration.name)
        if availability is NameAvailability.UNKNOWN and not registration.name_checked:
            raise HomeserverError("the homeserver does not say whether the name is free")
        if availability is not NameAvailability.TAKEN or registration.mailed_at is not None:
            return False
        return not await self._rotation.is_used(registration.id)

    async def _tell(self, mail: Mail, registration: Registration, notice: Notice) -> None:
        """Send a mail without a token; one about a taken name also ends the request."""
        message = self._composer.notice(
            notice,
            to=registration.email,
            name=registration.account or registration.name,
            now=self._clock(),
            message_id=mail.message_id,
            unwanted_link=self._unwanted.link(registration),
            language=registration.language,
            reason=mail.text,
        )
        await self._mailer.send(message)
        if notice == "taken":
            await self._outcomes.rejected(
                registration, f"the name {registration.name} is taken", mail
            )
        else:
            await self._outcomes.told(mail)
