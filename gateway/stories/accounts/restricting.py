"""The story of an account that is locked, suspended, ended, or set free again.

What is wanted is written down with its audit entry before the homeserver is asked, so that a crash
or an outage only delays it. One Matrix event has it done once, however often it is carried out.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog
from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import (
    Account,
    AccountDirectory,
    HomeserverError,
    Restriction,
    Unable,
)
from gateway.settings.settings import Settings
from gateway.store import audit, outbox, restrictions
from gateway.store.audit import Author, Entry
from gateway.store.database import Database
from gateway.stories.accounts.enforcement import Enforcement
from gateway.stories.accounts.linking import owner
from gateway.stories.unwanted import Unwanted

_log = structlog.get_logger(__name__)

ACTIONS = {
    "disable": Restriction.DEACTIVATED,
    "suspend": Restriction.SUSPENDED,
    "lock": Restriction.LOCKED,
}
ENABLE = "enable"
_FREE, _UNKNOWN = "free", "unknown"
_SUBJECT = "account "

Restrictions = frozenset[Restriction]
_NONE: Restrictions = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be put on an account and taken off, of what stands there now.

    `account` is None while the homeserver does not answer, `stands` where it does not tell.
    """

    name: str
    account: Account | None
    stands: Restrictions | None
    on: Restrictions = _NONE
    off: Restrictions = _NONE


@dataclass(frozen=True, slots=True)
class Outcome:
    """An entry of the audit, and why it is not done yet, or cannot be; empty when it is done."""

    entry: Entry
    waits: str = ""
    fault: str = ""


class Restricting:
    """Restricts accounts for a moderator, and sets them free. `wake` is called when a mail is
    owed."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        directory: AccountDirectory,
        unwanted: Unwanted,
        wake: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._unwanted = unwanted
        self._clock = clock
        self.abilities = directory.abilities
        self.enforcement = Enforcement(
            database=database,
            directory=directory,
            own=settings.own_name,
            mail_domain=settings.smtp.domain,
            wake=wake,
            clock=clock,
        )

    async def plan(self, name: str, action: str, *, tells: bool = False) -> Plan:
        """What `action` (one of ACTIONS, or ENABLE) would do, before anybody is asked.

        Raises ValueError with one sentence when it cannot, or must not be done.
        """
        on = _NONE if action == ENABLE else frozenset({ACTIONS[action]})
        self._check_ability(on, _NONE)
        account = await self._look(name)
        stands = None if account is None else account.restrictions
        if tells:
            await self._database.read(lambda c: self._check_address(c, name))
        if action == ENABLE:
            return Plan(name, account, stands, off=await self._to_lift(name, stands))
        if stands is not None and on <= stands:
            raise ValueError(f"@{name} is {ACTIONS[action]} already.")
        return Plan(name, account, stands, on=on)

    def _check_address(self, connection: Connection, name: str) -> None:
        """Raises ValueError when nobody can be written to about an account."""
        mine = owner(connection, name)
        if mine is None or mine.is_forgotten:
            known = "No request is known" if mine is None else "The address is kept no more"
            raise ValueError(
                f"{known} of @{name}, so there is no address to write to: leave out --tell."
            )
        if self._unwanted.refusal(connection, mine) is not None:
            raise ValueError(f"The owner of @{name}'s address wants no mail: leave out --tell.")

    async def begun(self, author: Author) -> Outcome | None:
        """End what this very command has written down before a crash, if it has."""
        entry = await self._database.read(lambda c: _done(c, author, *ACTIONS, ENABLE))
        return None if entry is None else await self._carry_out(entry)

    async def change(
        self, author: Author, action: str, plan: Plan, reason: str = "", *, tells: bool = False
    ) -> Outcome:
        """Write down what is planned, and have it done now if the homeserver answers."""
        entry = await self._database.write(
            lambda c: self._write(c, author, action, plan, reason, tells=tells)
        )
        return await self._carry_out(entry)

    async def put_back(self, author: Author, entry: Entry) -> Outcome:
        """Let an account stand as it did before `entry`. Raises ValueError when it cannot."""
        name = entry.subject.removeprefix(_SUBJECT)
        stood, stands = _read(entry.before), _read(entry.after)
        if stood == stands:
            raise ValueError(f"Nobody knows how @{name} stood before entry {entry.id}.")
        self._check_ability(stood - stands, stands - stood)
        plan = Plan(name, await self._look(name), stands, stood - stands, stands - stood)
        done = await self._database.write(
            lambda c: self._write(c, author, "undo", plan, "", undoes=entry.id)
        )
        return await self._carry_out(done)

    async def _look(self, name: str) -> Account | None:
        """The account, None while the homeserver does not answer. Raises ValueError when there is
        none, or when it must stay as it is."""
        try:
            account = await self.enforcement.account(name)
        except Unable as error:
            raise ValueError(f"@{name} is left alone: {error}.") from None
        except HomeserverError:
            return None
        if account is None:
            raise ValueError(f"There is no account @{name}.")
        return account

    def _write(
        self,
        connection: Connection,
        author: Author,
        action: str,
        plan: Plan,
        reason: str,
        *,
        tells: bool = False,
        undoes: int | None = None,
    ) -> Entry:
        now = self._clock()
        done = _done(connection, author, action)
        if done is not None:
            return done
        if undoes is not None and audit.undoing(connection, undoes) is not None:
            raise ValueError(f"Entry {undoes} was taken back already.")
        number = audit.note(
            connection,
            author,
            action,
            f"{_SUBJECT}{plan.name}",
            now,
            before=_UNKNOWN if plan.stands is None else in_words(plan.stands),
            after=in_words(((plan.stands or _NONE) | plan.on) - plan.off),
            reason=reason or None,
            undoes=undoes,
        )
        mine = owner(connection, plan.name)
        if mine is not None:
            outbox.cancel(connection, mine.id)  # what an owed mail says is not true any more
        wanted = sorted(
            [*((each, False) for each in plan.on), *((each, True) for each in plan.off)]
        )
        for restriction, lifts in wanted:
            tells_now = tells and (restriction, lifts) == wanted[-1]
            restrictions.wish(
                connection, plan.name, restriction, number, now, lifts=lifts, tells=tells_now
            )
        entry = audit.get(connection, number)
        assert entry is not None
        return entry

    async def _carry_out(self, entry: Entry) -> Outcome:
        waits = fault = ""
        for wish in await self._database.read(lambda c: restrictions.of_entry(c, entry.id)):
            try:
                await self.enforcement.fulfil(wish)
            except Unable as error:
                fault = str(error)
                await self.enforcement.give_up(wish, fault)
            except HomeserverError as error:
                waits = str(error)
                _log.warning("account_not_changed_yet", entry=entry.id, reason=waits)
        return Outcome(entry, waits, fault)

    def _check_ability(self, on: Restrictions, off: Restrictions) -> None:
        title = self.abilities.title
        for each in on - self.abilities.restricts:
            others = [
                action for action, what in ACTIONS.items() if what in self.abilities.restricts
            ]
            hint = f"; what it can is {', '.join(others)}" if others else ""
            raise ValueError(f"With {title} no account can be {each} from here{hint}.")
        for each in off - self.abilities.lifts:
            raise ValueError(
                f"With {title} an account that is {each} cannot be set free from here."
            )

    async def _to_lift(self, name: str, stands: Restrictions | None) -> Restrictions:
        """What to take off an account: what it has, is about to have, or may have."""
        waiting = await self._database.read(lambda c: restrictions.wanted(c, name))
        about = frozenset(map(Restriction, waiting))
        if stands is None and not self.abilities.lifts:
            raise ValueError(f"With {self.abilities.title} no account can be set free from here.")
        if stands is None:
            return self.abilities.lifts
        if not stands | about:
            raise ValueError(f"Nothing keeps anybody from the account @{name}.")
        self._check_ability(_NONE, stands)
        return stands | (about & self.abilities.lifts)


def _done(connection: Connection, author: Author, *actions: str) -> Entry | None:
    """What this very command wrote down before."""
    if author.event_id is None:
        return None
    found = audit.of_event(connection, author.event_id)
    return next((each for each in found if each.action in actions), None)


def in_words(found: Iterable[Restriction]) -> str:
    """Restrictions in words that can be read back: `locked, suspended`, or `free`."""
    return ", ".join(sorted(found)) or _FREE


def _read(told: str | None) -> Restrictions:
    words = (told or "").split(", ")
    return frozenset(Restriction(word) for word in words if word not in ("", _FREE, _UNKNOWN))
