"""The story of an action that is taken back: once, and only while nobody changed more since."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.bans import format_line
from gateway.rules.mentions import FORGOTTEN
from gateway.store import audit
from gateway.store.audit import Author, Entry
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database
from gateway.stories.accounts.restricting import ACTIONS, ENABLE, Restricting
from gateway.stories.hours import Hours
from gateway.stories.moderation import Moderation, lines_of
from gateway.stories.muting import Muting
from gateway.stories.review import Reviews
from gateway.stories.unwanted import ACTION as UNWANTED
from gateway.stories.unwanted import Unwanted

_BANS = ("ban", "unban")
_HOURS = ("pause", "resume")
_MUTES = ("mute", "unmute")
_DECISIONS = ("approve", "reject")
_ACCOUNTS = (*ACTIONS, ENABLE)
UNDOABLE = (*_BANS, *_HOURS, *_MUTES, *_DECISIONS, *_ACCOUNTS)
_WHY_NOT = {
    "rotate": "the tokens that it ended are known to the homeserver no more",
    "revoke": "the homeserver knows the token no more; issue another",
    "issue": "somebody may have the token already; revoke it",
    "forget": "what is forgotten is gone",
    "rotate-key": "a key that was made stays",
    "resend": "a mail cannot be called back",
    "expire": "its time was over",
    "note": "notes are never deleted",
    "import": "lift its bans instead, or mend the files",
    "account appeared": "the account is there",
    "unknown account": "the account is there",
    "not done": "nothing was done",
}


@dataclass(frozen=True, slots=True)
class Undone:
    """The new entries of the audit, and why what else was wanted was not taken back."""

    done: tuple[Entry, ...]
    faults: tuple[str, ...] = ()


class Undoing:
    """Takes actions back, by what the audit says of them."""

    def __init__(
        self,
        *,
        database: Database,
        bans: BanFiles,
        moderation: Moderation,
        hours: Hours,
        muting: Muting,
        reviews: Reviews,
        restricting: Restricting,
        unwanted: Unwanted,
        clock: Clock = utc_now,
    ) -> None:
        self._database = database
        self._bans = bans
        self._moderation = moderation
        self._hours = hours
        self._muting = muting
        self._reviews = reviews
        self._restricting = restricting
        self._unwanted = unwanted
        self._clock = clock

    async def undo(self, author: Author, number: int | None = None) -> Undone:
        """Take back one entry of the audit, or the author's own last action.

        Raises ValueError with one sentence for what cannot be taken back.
        """
        if await self._moderation.has_begun(author):
            return Undone(tuple(await self._moderation.change(author, "undo", ())))
        wanted = await self._database.read(lambda c: self._wanted(c, author, number))
        root = await self._database.read(lambda c: _root(c, wanted[0]))
        forgotten = next((each for each in wanted if FORGOTTEN in each.subject), None)
        if forgotten is not None:
            raise ValueError(
                f"Entry {forgotten.id} cannot be taken back: the address in it is forgotten."
            )
        if root.action in _BANS:
            return await self._undo_bans(author, wanted)
        if root.action in _HOURS:
            return Undone((await self._hours.put_back(author, wanted[0]),))
        if root.action in _MUTES:
            return Undone((await self._muting.put_back(author, wanted[0]),))
        if root.action in _DECISIONS:
            return await self._undo_decisions(author, wanted, root)
        if root.action in _ACCOUNTS:
            return await self._undo_restriction(author, wanted[0])
        if root.action == UNWANTED:
            return Undone((await self._unwanted.put_back(author, wanted[0]),))
        why = _WHY_NOT.get(root.action, "it was an end")
        raise ValueError(f"Entry {wanted[0].id} ({root.action}) cannot be taken back: {why}.")

    @staticmethod
    def _wanted(connection: Connection, author: Author, number: int | None) -> list[Entry]:
        if number is None:
            last = audit.last_action(connection, author.who, UNDOABLE)
            if not last:
                raise ValueError("You did nothing that could be taken back: say which entry.")
            return last
        entry = audit.get(connection, number)
        if entry is None:
            raise ValueError(f"There is no entry {number}.")
        undone = audit.undoing(connection, number)
        if undone is not None:
            raise ValueError(
                f"Entry {number} was taken back already, by {undone.who} in entry {undone.id}."
            )
        return [entry]

    async def _undo_bans(self, author: Author, wanted: Sequence[Entry]) -> Undone:
        told = [(entry, *lines_of(entry)) for entry in wanted]
        values = [(then.kind, then.value) for _, _, then in told if then is not None]
        standing = {(ban.kind, format_line(ban)) for ban in await self._bans.standing(values)}
        for entry, was, then in told:
            if then is not None and (then.kind, format_line(then)) not in standing:
                await self._tell_changed(entry)
            if was is not None and not was.in_force(self._clock()):
                raise ValueError(f"The time of the ban in entry {entry.id} is over.")
            if was is not None and self._bans.book.covers(was):
                await self._tell_changed(entry)
        changes = [(then, was) for _, was, then in told]
        done = await self._moderation.change(
            author, "undo", changes, [entry.id for entry in wanted]
        )
        if not done:
            await self._tell_changed(wanted[0])
        return Undone(tuple(done))

    async def _undo_decisions(self, author: Author, wanted: Sequence[Entry], root: Entry) -> Undone:
        """Reopen what was decided; or decide again as `root` did, where that was taken back."""
        for entry in wanted:
            since = await self._since(entry)
            if any(each.action in (*_DECISIONS, "reopen") for each in since):
                await self._tell_changed(entry)
        ids = [int(entry.subject.removeprefix("registration ")) for entry in wanted]
        if wanted[0].action != "reopen":
            decided = await self._reviews.reopen_all(author, ids)
        elif root.action == "approve":
            decided = await self._reviews.approve_all(author, ids)
        else:
            decided = await self._reviews.reject_all(author, ids, root.reason or "")
        if not decided.done:
            raise ValueError(" ".join(decided.faults))
        reached = {f"registration {each.id}" for each in decided.done}
        entries = [(await self._since(each))[-1] for each in wanted if each.subject in reached]
        return Undone(tuple(entries), decided.faults)

    async def _undo_restriction(self, author: Author, entry: Entry) -> Undone:
        if any(each.action in (*_ACCOUNTS, "undo") for each in await self._since(entry)):
            await self._tell_changed(entry)
        outcome = await self._restricting.put_back(author, entry)
        trouble = [f"It is not done: {outcome.fault}."] if outcome.fault else []
        if outcome.waits:
            trouble.append(f"It is done as soon as the homeserver does it: {outcome.waits}.")
        return Undone((outcome.entry,), tuple(trouble))

    async def _tell_changed(self, entry: Entry) -> None:
        """Raises ValueError that says who was there first."""
        raise ValueError(_changed_since(entry, await self._since(entry)))

    async def _since(self, entry: Entry) -> list[Entry]:
        """What was done to the same subject after an entry."""
        return await self._database.read(lambda c: audit.about(c, entry.subject, since=entry.id))


def _changed_since(entry: Entry, since: Sequence[Entry]) -> str:
    """Why an entry that did not have the last word is not taken back."""
    text = f"Entry {entry.id} is left alone: {entry.subject} was changed since"
    if not since:
        return f"{text}, by hand."
    last = since[-1]
    return f"{text}, by {last.who} in entry {last.id} ({last.action})."


def _root(connection: Connection, entry: Entry) -> Entry:
    """The action at the beginning of what was taken back, perhaps several times."""
    while entry.undoes is not None:
        before = audit.get(connection, entry.undoes)
        if before is None:
            raise ValueError(f"What entry {entry.id} took back is too old: it is kept no more.")
        entry = before
    return entry
