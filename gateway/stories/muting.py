"""The story of a mute: what the room does not want to hear of, for a while or for good."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.rules.bans import format_time, parse_time
from gateway.store import alerts, audit, mutes
from gateway.store.audit import Author, Entry
from gateway.store.database import Database
from gateway.store.mutes import Mute

_UNMUTABLE = "review"
_SUBJECT = "alert "  # and the cause: so the audit names what is muted
_HEARD = "heard"
KINDS = {  # what the room is told of, for whoever mutes one
    "burst": "many refused requests",
    "hits": "bans that are hit often",
    "names": "one person under many names",
    "mail": "mails that were given up",
    "mails": "mails that fail and are tried again",
    "smtp": "the mail server down",
    "homeserver": "the homeserver down",
    "admin": "the homeserver's admin room",
    "rotation": "tokens replaced",
    "tokens": "tokens that cannot be replaced",
    "token": "single tokens that the homeserver lost, or will not end",
    "rejected": "requests rejected before their mail",
    "files": "ban files with bad lines",
    "disk": "disk space",
    "saving": "requests that could not be saved",
    "unknown": "accounts opened past the desk",
    "account": "accounts under another name, and tokens that opened too many or not theirs",
    "accounts": "accounts that cannot be restricted or set free",
    "unwanted": "mails that the owners of addresses did not ask for",
    "review": "requests that wait for a person",
}


class Muting:
    """Mutes causes and kinds of causes for a moderator; muted ones are counted all the same."""

    def __init__(self, database: Database, clock: Clock = utc_now) -> None:
        self._database = database
        self._clock = clock

    async def mute(self, author: Author, words: Sequence[str], span: timedelta | None) -> Mute:
        """Mute an alert's cause by its number, a cause, or all of a kind.

        Raises ValueError with one sentence for what is none of them, and for reviews.
        """
        now = self._clock()
        until = None if span is None else now.replace(microsecond=0) + span

        def mute(connection: Connection) -> Mute:
            cause = _cause(connection, words)
            if cause.partition(" ")[0] == _UNMUTABLE:
                raise ValueError(
                    "Requests that wait for a decision cannot be muted: somebody waits for it."
                )
            self._change(connection, author, "mute", cause, Mute(cause, until, author.who), now)
            return Mute(cause, until, author.who)

        return await self._database.write(mute)

    async def unmute(self, author: Author, words: Sequence[str]) -> str:
        """Let a cause be heard again; returns it. Raises ValueError when it was not muted."""
        now = self._clock()

        def unmute(connection: Connection) -> str:
            known = {each.cause: each for each in mutes.in_force(connection, now)}
            given = " ".join(words)
            cause = given if given in known else _cause(connection, words)
            if cause not in known:
                wider = [each for each in known if known[each].holds(cause)]
                hint = f" by itself, but as all of {wider[0]!r}" if wider else ""
                raise ValueError(f"{cause[:80]!r} is not muted{hint}.")
            self._change(connection, author, "unmute", cause, None, now)
            return cause

        return await self._database.write(unmute)

    async def put_back(self, author: Author, entry: Entry) -> Entry:
        """Mute or hear a cause as it was before `entry`, which the audit has of one of the two.

        Raises ValueError with one sentence when it is not as `entry` left it.
        """
        now, cause = self._clock(), entry.subject.removeprefix(_SUBJECT)

        def put(connection: Connection) -> Entry:
            stands = _told(_of(connection, cause, now))
            if audit.undoing(connection, entry.id) is not None or stands != entry.after:
                raise ValueError(f"Entry {entry.id} is left alone: {cause} is {stands} now.")
            wanted = _read(cause, entry.before or _HEARD, author.who)
            if wanted is not None and wanted.until is not None and wanted.until <= now:
                raise ValueError(f"The mute before entry {entry.id} would be over by now.")
            return self._change(connection, author, "undo", cause, wanted, now, undoes=entry.id)

        return await self._database.write(put)

    @staticmethod
    def _change(
        connection: Connection,
        author: Author,
        action: str,
        cause: str,
        mute: Mute | None,
        now: datetime,
        undoes: int | None = None,
    ) -> Entry:
        before, after = _told(_of(connection, cause, now)), _told(mute)
        if mute is None:
            mutes.drop(connection, cause)
        else:
            mutes.add(connection, cause, mute.until, mute.who)
        subject = f"{_SUBJECT}{cause}"
        number = audit.note(
            connection, author, action, subject, now, before=before, after=after, undoes=undoes
        )
        done = audit.get(connection, number)
        assert done is not None
        return done


def _of(connection: Connection, cause: str, now: datetime) -> Mute | None:
    return next((each for each in mutes.in_force(connection, now) if each.cause == cause), None)


def _told(mute: Mute | None) -> str:
    """A mute in words that can be read back: `muted until 2026-12-01T12:00Z`."""
    if mute is None:
        return _HEARD
    return "muted" if mute.until is None else f"muted until {format_time(mute.until)}"


def _read(cause: str, told: str, who: str) -> Mute | None:
    if told == _HEARD:
        return None
    until = told.removeprefix("muted").removeprefix(" until ")
    return Mute(cause, parse_time(until) if until else None, who)


def _cause(connection: Connection, words: Sequence[str]) -> str:
    text = " ".join(words)
    digits = text.removeprefix("#")
    if digits.isascii() and digits.isdigit() and len(digits) <= 18:
        alert = alerts.get(connection, int(digits))
        if alert is None:
            raise ValueError(f"There is no alert {digits}: `alerts` lists them.")
        return alert.cause
    if text.lower() in KINDS:
        return text.lower()
    if alerts.is_known(connection, text):
        return text
    kinds = ", ".join(each for each in KINDS if each != _UNMUTABLE)
    raise ValueError(
        f"{text[:80]!r} is no cause of an alert: give an alert's number, or one of these kinds:"
        f" {kinds}."
    )
