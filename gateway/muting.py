"""The story of a mute: what the room does not want to hear of, for a while or for good."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import Connection

from gateway.clock import Clock, utc_now
from gateway.store import alerts, audit, mutes
from gateway.store.audit import Author
from gateway.store.database import Database
from gateway.store.mutes import Mute

_UNMUTABLE = "review"
KINDS = {  # what the room is told of, for whoever mutes one
    "burst": "many refused requests",
    "hits": "bans that are hit often",
    "names": "one person under many names",
    "mail": "mails that were given up",
    "mails": "mails that fail and are tried again",
    "smtp": "the mail server down",
    "homeserver": "the homeserver down",
    "rotation": "tokens replaced",
    "tokens": "tokens that cannot be replaced",
    "rejected": "requests rejected before their mail",
    "files": "ban files with bad lines",
    "disk": "disk space",
    "saving": "requests that could not be saved",
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
        until = None if span is None else now + span

        def mute(connection: Connection) -> Mute:
            cause = _cause(connection, words)
            if cause.partition(" ")[0] == _UNMUTABLE:
                raise ValueError(
                    "Requests that wait for a decision cannot be muted: somebody waits for it."
                )
            mutes.add(connection, cause, until, author.who)
            after = "for good" if until is None else f"until {until:%Y-%m-%d %H:%M} UTC"
            audit.note(connection, author, "mute", f"alert {cause}", now, after=after)
            return Mute(cause, until, author.who)

        return await self._database.write(mute)

    async def unmute(self, author: Author, words: Sequence[str]) -> str:
        """Let a cause be heard again; returns it. Raises ValueError when it was not muted."""
        now = self._clock()

        def unmute(connection: Connection) -> str:
            known = {each.cause: each for each in mutes.in_force(connection, now)}
            given = " ".join(words)
            cause = given if given in known else _cause(connection, words)
            if not mutes.drop(connection, cause) or cause not in known:
                wider = [each for each in known if known[each].holds(cause)]
                hint = f" by itself, but as all of {wider[0]!r}" if wider else ""
                raise ValueError(f"{cause[:80]!r} is not muted{hint}.")
            audit.note(connection, author, "unmute", f"alert {cause}", now)
            return cause

        return await self._database.write(unmute)


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
