"""The story of one request: screened, counted, decided and recorded in one transaction."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import NameAvailability, Names
from gateway.rules.doubts import Doubt, doubts
from gateway.rules.limits import Scope
from gateway.rules.networks import neighbourhood, wide_neighbourhood
from gateway.rules.screening import Application, Code, Refusal, Screened, crowded, screen
from gateway.settings.settings import Settings
from gateway.store import crowds, hits, lookback, outbox, registrations
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.store.lookback import Seen
from gateway.store.registrations import Request, Status
from gateway.stories.burst_watch import BurstWatch
from gateway.stories.hearing import Hearing
from gateway.stories.hours import Hours
from gateway.stories.human.human_check import Examined, HumanCheck
from gateway.stories.unsaved import Unsaved
from gateway.stories.waiting import announce

_log = structlog.get_logger(__name__)

_MAILS_WAIT = timedelta(minutes=10)  # after which some of so many will have gone
_LONGEST = 255  # characters kept of what was typed into a field
_ORDER = {code: place for place, code in enumerate(Code)}


class NotRecorded(Exception):
    """The request could not be written down, so nothing was promised; it may be sent again."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an applicant hears: why not, or else whether a person looks at his request first.

    What is `unsaid` refuses a request that is answered like an accepted one.
    """

    refusals: tuple[Refusal, ...] = ()
    is_looked_at: bool = False
    unsaid: tuple[Refusal, ...] = ()


class Registrar:
    """Takes requests. `wake` is called when a mail is owed."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        keyring: Keyring,
        bans: BanFiles,
        hours: Hours,
        names: Names,
        human_check: HumanCheck,
        burst_watch: BurstWatch,
        unsaved: Unsaved,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._settings = settings
        self._rules = settings.registration
        self._limits = settings.registration.limits.by_scope
        self._most_waiting = settings.registration.limits.waiting
        self._caution = settings.review.caution
        self._domains = settings.addresses.domains
        self._database = database
        self._keyring = keyring
        self._bans = bans
        self._hours = hours
        self._names = names
        self._human_check = human_check
        self._wake = wake
        self._clock = clock
        self._hearing = Hearing()
        self._burst_watch = burst_watch
        self._unsaved = unsaved
        self._mail_domain = settings.smtp.domain

    @property
    def is_busy(self) -> bool:
        """Whether one more request would make all of them wait."""
        return self._hearing.is_full

    async def apply(self, application: Application) -> Verdict:
        """Hear a request: without refusals it was accepted.

        A known address is accepted in the same words, and nothing is mailed.
        Raises NotRecorded when the database does not take it.
        """
        try:
            return await self._hear(application)
        except (SQLAlchemyError, OSError) as error:
            reason = complaint(error) if isinstance(error, SQLAlchemyError) else str(error)
            self._unsaved.note(reason, self._clock(), requests=1)
            _log.error("request_not_recorded", reason=reason)
            raise NotRecorded("the request could not be recorded") from error

    async def _hear(self, application: Application) -> Verdict:
        now = self._clock()
        screened = screen(
            application,
            server_name=self._settings.server_name,
            book=self._bans.book,
            opening=await self._hours.opening(),
            now=now,
            domains=self._domains,
        )
        examined = self._human_check.examine(application.evidence)
        request = _request(application, screened)
        with self._hearing:
            availability = await self._availability(screened, examined)
            with self._hearing.deciding():
                verdict = await self._database.write(
                    lambda connection: self._decide(
                        connection, application, request, screened, examined, availability
                    )
                )
        self._burst_watch.heard(request, screened, verdict.refusals + verdict.unsaid)
        if not verdict.refusals:
            self._wake()
        return verdict

    async def _availability(self, screened: Screened, examined: Examined) -> NameAvailability:
        is_refused = screened.refusals or examined.fault
        # In a crowd nobody waits for the homeserver: the courier asks before the mail goes.
        if screened.name is None or is_refused or self._hearing.is_crowded:
            return NameAvailability.UNKNOWN
        return await self._names.availability(screened.name)

    def _decide(
        self,
        connection: Connection,
        application: Application,
        request: Request,
        screened: Screened,
        examined: Examined,
        availability: NameAvailability,
    ) -> Verdict:
        # The time of the decision: at that of the arrival, requests that overtook this one while
        # it waited for the homeserver would lie in the future, and no limit would count them.
        now = self._clock()
        seen = lookback.seen(
            connection,
            request,
            now,
            cooldown=self._rules.email_cooldown,
            one_account_per_address=not self._rules.multiple_users_per_email,
            caution=self._caution,
            pseudonyms=self._keyring.pseudonyms(request.email_key),
        )
        hits.count(connection, screened.met, now)
        refusals = [*screened.refusals]
        proof = self._human_check.use(connection, examined, request.network, now)
        if isinstance(proof, Refusal):
            refusals.append(proof)
        opening = self._hours.standing(connection, now)
        if not opening.is_open and all(each.code != Code.CLOSED for each in refusals):
            # A moderator paused the desk since the page looked.
            wait = None if opening.changes_at is None else opening.changes_at - now
            refusals.append(Refusal(Code.CLOSED, opening.message or "closed", "", wait))
        found = crowds.used_up(connection, request, now, self._limits)
        refusals += crowded(found, now)
        if self._most_waiting is not None and crowds.mails_wait(connection, self._most_waiting):
            detail = f"{self._most_waiting} mails are owed"
            refusals.append(Refusal(Code.TOO_MANY_MAILS_WAIT, detail, "", _MAILS_WAIT))
        if any(each.scope is Scope.EMAIL for each in found):
            # Refused, a stranger would learn that somebody else asked with that address.
            seen = replace(seen, address_known=True)
        if seen.name_held:
            refusals.append(Refusal(Code.NAME_HELD, "held by another request"))
        if availability is NameAvailability.TAKEN:
            refusals.append(Refusal(Code.NAME_TAKEN, "the homeserver has it"))
        refusals.sort(key=lambda each: _ORDER[each.code])
        looks = [] if refusals else self._looks(connection, application, request, screened, seen)
        unsaid = _unsaid(application)
        status = _status([*refusals, *unsaid], looks, seen)
        hold = self._rules.name_hold
        registration_id = registrations.add(
            connection,
            request,
            status,
            now,
            # Twice for one that is looked at: once for the decision, once for opening the account.
            # A hold that began with the approval would tell how long it took, and of whom.
            held_until=now + (2 * hold if looks else hold),
            name_checked=availability is NameAvailability.FREE,
            refusals=[
                {"code": r.code, "field": r.field or "", "detail": r.detail}
                for r in (*refusals, *unsaid)
            ],
            reviews=[{"code": each.code, "detail": each.detail} for each in looks],
            proof=None if isinstance(proof, Refusal) else proof,
        )
        if status is Status.PENDING:
            outbox.owe(connection, registration_id, self._mail_domain, now)
        elif looks and not unsaid:
            self._let_wait(connection, registration_id, now)
        return Verdict(tuple(refusals), bool(looks), unsaid)

    def _looks(
        self,
        connection: Connection,
        application: Application,
        request: Request,
        screened: Screened,
        seen: Seen,
    ) -> list[Doubt]:
        # Asked only for what is not refused: a flood of refused ones would make each other slow.
        asks = self._caution.new_networks
        return doubts(
            self._caution,
            domains=self._domains,
            bans=tuple(value for _, value in screened.met),
            ip=application.ip,
            address=screened.address,
            network_is_new=asks and lookback.is_new(connection, request.network),
            accepted=seen.accepted,
        )

    def _let_wait(self, connection: Connection, registration_id: int, now: datetime) -> None:
        """Owe him the mail that says so, and ask the room.

        For a known address it is done all the same, and undone: the time that an answer takes
        must not tell.
        """
        with connection.begin_nested() as attempt:
            registration = registrations.get(connection, registration_id)
            assert registration is not None
            known = self._keyring.pseudonyms(registration.email_key)
            past = lookback.earlier(connection, registration, registration_id, pseudonyms=known)
            outbox.owe(connection, registration_id, self._mail_domain, now, "review")
            announce(connection, registration, past, now)
            if registration.status is Status.REPEAT:
                attempt.rollback()


def _unsaid(application: Application) -> tuple[Refusal, ...]:
    """What nobody is told: a robot that hears of the bait leaves it alone the next time.

    Refused, and no repeat: then it neither holds a name nor makes an address a known one, and the
    moderators see it among the reasons.
    """
    if not application.evidence.bait:
        return ()
    return (Refusal(Code.BAIT_TAKEN, "the field that people do not see was filled in"),)


def _status(refusals: list[Refusal], looks: list[Doubt], seen: Seen) -> Status:
    if refusals:
        return Status.REFUSED
    if seen.address_known:
        return Status.REPEAT
    return Status.REVIEW if looks else Status.PENDING


def _request(application: Application, screened: Screened) -> Request:
    typed_name, typed_email = _kept(application.name), _kept(application.email)
    address, wide = screened.address, wide_neighbourhood(application.ip)
    return Request(
        name=screened.name or typed_name,
        email=address.text if address else typed_email,
        email_key=address.key if address else typed_email.casefold(),
        ip=str(application.ip),
        network=str(neighbourhood(application.ip)),
        language=application.language,
        wide_network=None if wide is None else str(wide),
    )


def _kept(typed: str) -> str:
    """What is kept of something that cannot be read: short, and text that a database takes."""
    return typed.strip()[:_LONGEST].encode("utf-8", "replace").decode()
