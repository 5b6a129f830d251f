"""The story of an owner of an address who did not ask for our mail, or wants no more of it.

Each mail brings a link that is signed for its request. Whoever presses the button behind it ends
all open requests with that address; and no mail goes there any more, whoever asks.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.networks import IPAddress, neighbourhood
from gateway.store import alerts, audit, outbox, registrations, tokens, unwanted
from gateway.store.alerts import outside
from gateway.store.audit import Author, Entry
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.store.offers import Offer
from gateway.store.registrations import UNDECIDED, Registration, Status
from gateway.store.unwanted import Refusal
from gateway.stories.registration import NotRecorded
from gateway.stories.waiting import settle

OWNER = Author("the address's owner")
ACTION = "unwanted"
_SEALED = re.compile(r"([1-9][0-9]{0,17})\.([0-9a-f]{32})")
_DAY = timedelta(days=1)
_REASON = "he did not ask for it"

_log = structlog.get_logger(__name__)


class Unwanted:
    """Hears owners of addresses, and knows which of them want no mail.

    Without `public_url` the mails have no link.
    """

    def __init__(
        self,
        public_url: str | None,
        database: Database,
        keyring: Keyring,
        clock: Clock = utc_now,
    ) -> None:
        self._public_url = public_url
        self._database = database
        self._keyring = keyring
        self._clock = clock

    def link(self, registration: Registration) -> str | None:
        """The page on which the owner of a request's address says that he wants no mail."""
        if self._public_url is None:
            return None
        signature = self._keyring.sign(ACTION, _signed(registration))
        return f"{self._public_url.rstrip('/')}/unwanted/{registration.id}.{signature}"

    def refusal(self, connection: Connection, registration: Registration) -> Refusal | None:
        """Whether the address of a request wants no mail."""
        return self.refusal_of(connection, registration.email_key)

    def refusal_of(self, connection: Connection, email_key: str) -> Refusal | None:
        """Whether an address wants no mail."""
        return unwanted.find(connection, self._keyring.pseudonyms(email_key))

    def require_wanted(self, connection: Connection, registration: Registration) -> None:
        """Raises ValueError with one sentence when its address wants no mail."""
        refusal = self.refusal(connection, registration)
        if refusal is not None:
            raise ValueError(
                f"The owner of registration {registration.id}'s address wants no mail from this"
                f" desk (undo {refusal.entry} takes that back)."
            )

    async def is_ours(self, sealed: str) -> bool:
        """Whether we signed what stands at the end of a link. Raises NotRecorded when that cannot
        be known now."""
        try:
            return await self._database.read(lambda c: self._of(c, sealed)) is not None
        except (SQLAlchemyError, OSError) as error:
            raise _not_recorded(error) from error

    async def refuse(self, sealed: str, ip: IPAddress) -> bool:
        """Do what the button says, once however often it is pressed; `ip` is where.

        False when we did not sign the link. Raises NotRecorded, and then nothing is done.
        """

        def record(connection: Connection) -> bool:
            registration = self._of(connection, sealed)
            if registration is None:
                return False
            if self.refusal(connection, registration) is None:
                self._record(connection, registration, ip)
            return True

        if not await self.is_ours(sealed):  # a flood of forged links must not hold the writer up
            return False
        try:
            is_ours = await self._database.write(record)
        except (SQLAlchemyError, OSError) as error:
            raise _not_recorded(error) from error
        if is_ours:
            _log.info("mail_unwanted", registration=int(sealed.partition(".")[0]))
        return is_ours

    async def put_back(self, author: Author, entry: Entry) -> Entry:
        """Let mail go again to the address of an entry. Raises ValueError with one sentence."""
        now = self._clock()

        def put(connection: Connection) -> Entry:
            if entry.action != ACTION:
                raise ValueError(
                    f"Entry {entry.id} cannot be taken back: only the owner of an address can say"
                    " that he wants no mail."
                )
            if not unwanted.drop(connection, entry.id):
                raise ValueError(f"Entry {entry.id} is left alone: its address is not on the list.")
            number = audit.note(
                connection,
                author,
                "undo",
                entry.subject,
                now,
                before=entry.after,
                after="open to mail again",
                undoes=entry.id,
            )
            done = audit.get(connection, number)
            assert done is not None
            return done

        return await self._database.write(put)

    def _of(self, connection: Connection, sealed: str) -> Registration | None:
        """The request that a link was signed for."""
        found = _SEALED.fullmatch(sealed)
        if found is None:
            return None
        registration = registrations.get(connection, int(found[1]))
        if registration is None:
            return None
        is_signed = self._keyring.is_signed(ACTION, _signed(registration), found[2])
        return registration if is_signed else None

    def _record(self, connection: Connection, registration: Registration, ip: IPAddress) -> None:
        now, key = self._clock(), registration.email_key
        pseudonyms = self._keyring.pseudonyms(key)
        asked = registrations.of_address(connection, (key, *pseudonyms))
        ended = [each for each in asked if each.status in UNDECIDED]
        entry = audit.note(
            connection,
            OWNER,
            ACTION,
            f"registration {registration.id}",
            now,
            before=registration.status,
            after=f"no mail to its address, {_counted(len(ended))} closed",
            reason=f"said so from {neighbourhood(ip)}",
        )
        unwanted.add(connection, pseudonyms[0], now, entry)
        for each in asked:
            outbox.cancel(connection, each.id)
        for each in ended:
            self._end(connection, each)
        accounts = [each for each in asked if each.status is Status.REGISTERED]
        _tell(connection, registration, accounts, now=now)

    def _end(self, connection: Connection, registration: Registration) -> None:
        now, number = self._clock(), registration.id
        registrations.become(connection, number, Status.REJECTED, UNDECIDED)
        own = tokens.of(connection, number)
        if own is not None:
            tokens.withdraw(connection, own.id, now)
        audit.note(
            connection,
            OWNER,
            "reject",
            f"registration {number}",
            now,
            before=registration.status,
            after=Status.REJECTED,
            reason=_REASON,
        )
        settle(connection, registration, "closed", OWNER.who, now, _REASON)


def _signed(registration: Registration) -> str:
    # With the time: after a restored backup the same number may be another's.
    return f"{registration.id} {registration.created_at.isoformat()}"


def _tell(
    connection: Connection,
    registration: Registration,
    accounts: Sequence[Registration],
    *,
    now: datetime,
) -> None:
    """All from one network are one message: somebody there writes other people's addresses."""
    number, network = registration.id, registration.network
    text = f"Request {number} was not asked for by the owner of its address, who wants no mail"
    text += f"; it came from network {outside(network)}" if network else ""
    if accounts:
        names = ", ".join(outside(each.account or each.name) for each in accounts)
        text += f". An account with that address exists and stays as it is: {names}"
    ban: list[Offer] = [("🚫", f"ban ip {network} --for 7d")] if network else []
    alerts.raise_alert(
        connection,
        f"{ACTION} {network or 'elsewhere'}",
        text,
        now,
        quiet=_DAY,  # people read their mail when they do
        detail=f"{now:%H:%M:%S} · registration {number}",
        actions=[*ban, ("❓", f"registration {number}")],
    )


def _counted(number: int) -> str:
    return "1 request" if number == 1 else f"{number} requests"


def _not_recorded(error: SQLAlchemyError | OSError) -> NotRecorded:
    reason = complaint(error) if isinstance(error, SQLAlchemyError) else str(error)
    _log.error("unwanted_not_recorded", reason=reason)
    return NotRecorded("what the owner of an address said could not be recorded")
