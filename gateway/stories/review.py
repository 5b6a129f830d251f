"""The story of a decision: a person says yes or no to a request, and may take it back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.settings.settings import Settings
from gateway.store import audit, lookback, outbox, registrations, tokens
from gateway.store.audit import Author, Entry
from gateway.store.database import Database
from gateway.store.registrations import LIVE, UNDECIDED, Registration, Status
from gateway.stories.unwanted import Unwanted
from gateway.stories.waiting import announce, settle

_ACTIONS = ("approve", "reject", "reopen")
_SAID = {"approve": "approved", "reject": "rejected"}

_Decide = Callable[[Connection, Author, Registration, datetime], None]


@dataclass(frozen=True, slots=True)
class Decided:
    """The requests that were decided on, as they are now, and why the others were not."""

    done: tuple[Registration, ...]
    faults: tuple[str, ...]


class Reviews:
    """Decides on requests for a moderator. `wake` is called when a mail is owed."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        unwanted: Unwanted,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._name_hold = settings.registration.name_hold
        self._rejection_mail = settings.review.rejection_mail
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._unwanted = unwanted
        self._wake = wake
        self._clock = clock

    async def approve(self, author: Author, id: int) -> Registration:
        """Say yes to a request under review: its token is mailed.

        A ban that came meanwhile still ends it before its mail goes out. Raises ValueError with
        one sentence, which names who was quicker when somebody was.
        """
        return _only(await self.approve_all(author, [id]))

    async def reject(self, author: Author, id: int, reason: str = "") -> Registration:
        """Say no to a request under review, or end one that has no account yet.

        Its mails are cancelled and its own token is withdrawn. Raises ValueError as above.
        """
        return _only(await self.reject_all(author, [id], reason))

    async def reopen(self, author: Author, id: int) -> Registration:
        """Take the last decision on a request back: it waits for a new one.

        Raises ValueError with one sentence when its account exists, when its name is somebody
        else's meanwhile, or when nobody decided on it.
        """
        return _only(await self.reopen_all(author, [id]))

    async def approve_all(self, author: Author, ids: Sequence[int]) -> Decided:
        """Approve several requests in one transaction, those that can be."""
        return await self._decide(author, ids, self._approve)

    async def reject_all(self, author: Author, ids: Sequence[int], reason: str = "") -> Decided:
        """Reject several requests in one transaction, those that can be."""
        return await self._decide(
            author, ids, lambda c, author, each, now: self._reject(c, author, each, reason, now)
        )

    async def reopen_all(self, author: Author, ids: Sequence[int]) -> Decided:
        """Take the last decisions on several requests back in one transaction, where that goes."""
        return await self._decide(author, ids, self._reopen)

    async def _decide(self, author: Author, ids: Sequence[int], decide: _Decide) -> Decided:
        now = self._clock()

        def decide_all(connection: Connection) -> Decided:
            done, faults = [], []
            for id in dict.fromkeys(ids):
                try:
                    decide(connection, author, _get(connection, id), now)
                except ValueError as fault:  # raised before anything is written
                    faults.append(str(fault))
                else:
                    done.append(_get(connection, id))
            return Decided(tuple(done), tuple(faults))

        decided = await self._database.write(decide_all)
        if decided.done:
            self._wake()
        return decided

    def _approve(
        self, connection: Connection, author: Author, registration: Registration, now: datetime
    ) -> None:
        if registration.status is not Status.REVIEW:
            raise ValueError(_not_waiting(connection, registration))
        self._unwanted.require_wanted(connection, registration)
        self._hold_name(connection, registration, now)
        registrations.become(connection, registration.id, Status.PENDING, [Status.REVIEW])
        outbox.cancel(connection, registration.id)  # a mail that still says "wait"
        outbox.owe(connection, registration.id, self._mail_domain, now)
        _note(connection, author, "approve", registration, Status.PENDING, now)
        settle(connection, registration, "approved", author.who, now)

    def _reject(
        self,
        connection: Connection,
        author: Author,
        registration: Registration,
        reason: str,
        now: datetime,
    ) -> None:
        if registration.status not in UNDECIDED or _is_anothers(connection, registration, author):
            raise ValueError(_not_waiting(connection, registration))
        registrations.become(connection, registration.id, Status.REJECTED, UNDECIDED)
        self._stop(connection, registration, now)
        if (
            self._rejection_mail and registration.reviews and registration.email
        ):  # nobody else was told of a decision
            outbox.owe(connection, registration.id, self._mail_domain, now, "rejected")
        _note(connection, author, "reject", registration, Status.REJECTED, now, reason=reason)
        settle(connection, registration, "rejected", author.who, now, reason)

    def _reopen(
        self, connection: Connection, author: Author, registration: Registration, now: datetime
    ) -> None:
        if registration.status is Status.REGISTERED:
            raise ValueError(f"The account of registration {registration.id} exists already.")
        if registration.is_forgotten:
            raise ValueError(f"The address of registration {registration.id} is kept no more.")
        decision = _standing_decision(connection, registration)
        if decision is None and registration.status is not Status.REJECTED:
            raise ValueError(
                f"Registration {registration.id} is {registration.status}: there is no decision"
                " to take back."
            )
        self._hold_name(connection, registration, now)
        before = (*LIVE, Status.REJECTED)
        registrations.become(connection, registration.id, Status.REVIEW, before)
        self._stop(connection, registration, now)
        undoes = None if decision is None else decision.id
        _note(connection, author, "reopen", registration, Status.REVIEW, now, undoes=undoes)
        past = lookback.earlier(connection, registration, registration.id)
        announce(connection, registration, past, now)

    def _hold_name(self, connection: Connection, registration: Registration, now: datetime) -> None:
        """The name is his from now on as if he had just asked, unless somebody else has it."""
        rival = registrations.rival(connection, registration, now)
        if rival is not None:
            raise ValueError(
                f"Registration {rival} has the name of registration {registration.id} meanwhile."
            )
        until = max(registration.held_until, now + self._name_hold)
        registrations.hold(connection, registration.id, until)

    @staticmethod
    def _stop(connection: Connection, registration: Registration, now: datetime) -> None:
        outbox.cancel(connection, registration.id)
        own = tokens.of(connection, registration.id)
        if own is not None:
            tokens.withdraw(connection, own.id, now)


def _note(
    connection: Connection,
    author: Author,
    action: str,
    registration: Registration,
    after: Status,
    now: datetime,
    *,
    reason: str = "",
    undoes: int | None = None,
) -> None:
    audit.note(
        connection,
        author,
        action,
        _subject(registration.id),
        now,
        before=registration.status,
        after=after,
        reason=reason or None,
        undoes=undoes,
    )


def _is_anothers(connection: Connection, registration: Registration, author: Author) -> bool:
    """Whether somebody else said yes: two answers at once are one decision."""
    decision = _standing_decision(connection, registration)
    return registration.status in LIVE and decision is not None and decision.who != author.who


def _not_waiting(connection: Connection, registration: Registration) -> str:
    """Why nothing can be decided on a registration; names who was quicker."""
    decision = _standing_decision(connection, registration)
    if decision is None:
        return f"Registration {registration.id} is {registration.status}: nothing to decide."
    return (
        f"Registration {registration.id} was {_SAID[decision.action]} already, by {decision.who}"
        f" at {decision.at:%Y-%m-%d %H:%M} UTC (undo {decision.id} takes that back)."
    )


def _standing_decision(connection: Connection, registration: Registration) -> Entry | None:
    """The decision that made a registration what it is, when somebody took one."""
    if registration.status not in (*LIVE, Status.REJECTED):
        return None
    entries = audit.about(connection, _subject(registration.id))
    last = next((each for each in reversed(entries) if each.action in _ACTIONS), None)
    return None if last is None or last.action == "reopen" else last


def _subject(id: int) -> str:
    return f"registration {id}"


def _get(connection: Connection, id: int) -> Registration:
    found = registrations.get(connection, id)
    if found is None:
        raise ValueError(f"There is no registration {id}.")
    return found


def _only(decided: Decided) -> Registration:
    """The one request that was to be decided. Raises ValueError."""
    if decided.faults:
        raise ValueError(decided.faults[0])
    return decided.done[0]
