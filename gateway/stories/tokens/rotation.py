"""The story of one token: made, put into force, mailed, replaced, taken back.

A token is in the database before the homeserver hears of it and leaves it the same way, so a
crash at any point is made good by the next process that looks.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import (
    HomeserverError,
    NotYet,
    TokenSource,
    TokenState,
    Unable,
)
from gateway.rules.tokens import Schedule, new_token
from gateway.settings.settings import Settings
from gateway.store import alerts, audit, home, lifetimes, outbox, registrations, states, tokens
from gateway.store.audit import Author
from gateway.store.database import Database, complaint
from gateway.store.tokens import IssuedToken
from gateway.stories.accounts.linking import link
from gateway.stories.tokens.given_tokens import GivenTokens
from gateway.stories.tokens.guard import Guard
from gateway.stories.tokens.own_token import OwnToken
from gateway.stories.tokens.roll_call import RollCall
from gateway.stories.tokens.shared_token import SharedToken
from gateway.stories.tokens.withdrawal import Withdrawal

_log = structlog.get_logger(__name__)

_GLANCE = 1.0  # seconds between two looks
_LONGEST_PAUSE = 60.0  # seconds between two attempts while the homeserver is away
_WAITING_PAUSE = 4.0  # the same while its answer is owed
_STUCK = "tokens stuck"
_AT_ONCE = 4  # questions under way


@dataclass(frozen=True, slots=True)
class Rotated:
    """What a forced rotation did: how many tokens could still be used, how many are out of force
    now (the others follow as soon as the homeserver answers), how many fresh mails are owed, and
    how many of them were given away by hand, whose holders are mailed nothing."""

    outstanding: int
    revoked: int
    mailed: int
    given: int


class Rotation:
    """Gives out tokens and takes them back. `wake` is called when a mail is owed."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        source: TokenSource,
        schedule: Schedule | None,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._shared = settings.shares_token
        self._valid_for = settings.tokens.valid_for
        # How long a shared token outlives the next one, or the change to own tokens.
        self._overlap = settings.tokens.overlap if self._shared else self._valid_for
        self._own_token = OwnToken(database, source, settings.tokens.valid_for, clock)
        self._mail_domain = settings.smtp.domain
        self._database = database
        self._source = source
        self._wake = wake
        self._clock = clock
        self.given = GivenTokens(database, source, clock)
        self._guard = Guard(database, source, clock)
        self._roll_call = RollCall(database, source, clock)
        self._withdrawal = Withdrawal(database, source, clock)
        self._shared_token = SharedToken(
            database=database,
            source=source,
            schedule=schedule,
            overlap=settings.tokens.overlap,
            clock=clock,
        )

    async def token_for(self, registration_id: int) -> IssuedToken | None:
        """The token for one applicant's mail, in force now; None when he has used his.

        Raises HomeserverError.
        """
        if self._shared:
            return await self._shared_token.in_force()
        return await self._own_token.of(registration_id)

    async def is_used(self, registration_id: int) -> bool:
        """Whether an applicant has used a token of his own. Raises HomeserverError."""
        return not self._shared and await self._own_token.is_used(registration_id)

    def ends_at(self, token: IssuedToken) -> datetime | None:
        """Until when a token that is mailed now will work, as far as it is planned."""
        return token.expires_at if token.registration_id else self._shared_token.ends_at()

    async def run(self) -> None:
        """Rotate when it is due and take back what is over, until cancelled."""
        pause = _GLANCE
        is_well = is_told = False  # an alert of the last run may be open
        while True:
            try:
                await self.look()
                if not is_well:
                    await self._report_well()
            except NotYet:
                # It is asked for, and may be there any moment; the vigil tells when it never is.
                pause = min(pause * 2, _WAITING_PAUSE)
            except (HomeserverError, SQLAlchemyError) as error:
                if not is_told:
                    await self._report_trouble(_reason(error))
                pause, is_well, is_told = min(pause * 2, _LONGEST_PAUSE), False, True
            else:
                pause, is_well, is_told = _GLANCE, True, False
            await asyncio.sleep(pause)

    async def look(self) -> None:
        """Do what is due now: the guard and the roll call first, a rotation, also a missed or an
        unfinished one, then withdrawals and tokens that were given away and are not in force yet.

        Raises HomeserverError.
        """
        await self._guard.keep()
        await self._roll_call.hold()
        if self._shared:
            await self._shared_token.settle()
        now = self._clock()
        rotation_due, ended, too_long = await self._database.read(
            lambda c: (
                self._is_due(c, now),
                tokens.due(c, now),
                lifetimes.too_long(c, now, self._overlap),
            )
        )
        if too_long:
            count = await self._database.write(lambda c: lifetimes.shorten(c, now, self._overlap))
            _log.warning("clock_set_back", tokens_shortened=count)
        if rotation_due:
            if self._shared:
                await self._shared_token.replace()
            else:
                # The desk gave out shared tokens before: they last as long as an own one would.
                await self._database.write(
                    lambda c: tokens.supersede(c, None, now + self._valid_for)
                )
            ended = await self._database.read(lambda c: tokens.due(c, now))
        try:
            await self._withdrawal.take(ended)
        finally:  # one that cannot be taken back keeps nobody from his token
            await self.given.finish()

    async def rotate(self, author: Author) -> Rotated:
        """After a leak: end every token that may still open an account, and owe fresh mails.

        It is decided in one transaction. What the homeserver does not do at once is done as soon
        as it answers; mails wait for a shared token to be in force. Whoever has used his token
        has his account, and needs no other. Raises Unable where the operator alone ends tokens.
        """
        abilities = self._source.abilities
        if not abilities.replaces_tokens:
            raise Unable(
                f"{abilities.title} has it in its own configuration: change it there and in"
                " homeserver.static_token, and restart Porter"
            )
        used = await self._used_up()

        def end_all(connection: Connection) -> tuple[list[IssuedToken], int]:
            now = self._clock()
            for registration_id in used:
                registration = registrations.get(connection, registration_id)
                if registration is not None:
                    link(connection, registration, None, now)
            # A token that was never in a mail cannot have leaked: it is the fresh one.
            fresh = tokens.unfinished_shared(connection) if self._shared else None
            ended = [each for each in tokens.living(connection, now) if each != fresh]
            for token in ended:
                tokens.withdraw(connection, token.id, now)
            if self._shared and fresh is None:
                slot = tokens.free_slot(connection, now, now)
                tokens.prepare_shared(connection, slot, new_token(), now)
            mailed = self._owe_again(connection, ended, now)
            after = f"{len(ended)} outstanding, {mailed} mailed anew"
            audit.note(connection, author, "rotate", "tokens", now, after=after)
            text = f"Tokens were ended by {alerts.outside(author.who)}: {after}"
            alerts.raise_alert(connection, "rotation by command", text, now)
            return ended, mailed

        ended, mailed = await self._database.write(end_all)
        if self._shared:
            await self._shared_token.replace_soon()
        self._wake()
        numbers = [each.id for each in ended]
        left = await self._database.read(lambda c: tokens.not_withdrawn(c, numbers))
        revoked = len(ended) - len(left) + await self._withdrawal.take(left, patient=True)
        given = sum(each.purpose == "person" for each in ended)
        return Rotated(len(ended), revoked, mailed, given)

    async def _used_up(self) -> list[int]:
        """The registrations whose own token has opened its account."""
        now = self._clock()
        living, since = await self._database.read(lambda c: (tokens.living(c, now), home.since(c)))
        turns = asyncio.Semaphore(_AT_ONCE)
        is_away = False

        async def ask(token: IssuedToken) -> int | None:
            nonlocal is_away
            async with turns:
                try:
                    state = TokenState() if is_away else await self._source.state(token.value)
                except HomeserverError:
                    is_away = True  # the rest counts as unused: a mail too many is no harm
                    return None
                return token.registration_id if state.is_used_up else None

        own = [
            each
            for each in living
            if each.registration_id is not None
            and each.issued_at is not None
            and (since is None or each.issued_at >= since)
        ]
        return [each for each in await asyncio.gather(*map(ask, own)) if each is not None]

    def _owe_again(self, connection: Connection, ended: list[IssuedToken], now: datetime) -> int:
        """Owe a mail to each applicant whose token ended before he used it."""
        owed = 0
        for token in ended:
            for number in registrations.mailed_with(connection, token.id):
                if token.registration_id is None:
                    # A shared token may be years old, and who asked then waits no more.
                    asked = registrations.get(connection, number)
                    if asked is None or asked.held_until <= now:
                        continue
                if not outbox.is_owed(connection, number):
                    outbox.owe(connection, number, self._mail_domain, now)
                    owed += 1
        return owed

    def _is_due(self, connection: Connection, now: datetime) -> bool:
        if self._shared:
            return self._shared_token.is_due(connection, now)
        left = tokens.unfinished_shared(connection) or tokens.current_shared(connection)
        return left is not None

    async def _report_trouble(self, reason: str) -> None:
        now = self._clock()
        _log.error("tokens_stuck", reason=reason)
        text = f"Tokens cannot be rotated or taken back: {alerts.outside(reason)}"
        try:
            await self._database.write(lambda c: states.begin(c, _STUCK, text, now))
        except SQLAlchemyError:
            _log.error("alert_lost", text=text)

    async def _report_well(self) -> None:
        now = self._clock()
        text = "Tokens are rotated and taken back again"
        await self._database.write(lambda c: alerts.end(c, _STUCK, now, text))


def _reason(error: HomeserverError | SQLAlchemyError) -> str:
    return complaint(error) if isinstance(error, SQLAlchemyError) else str(error)
