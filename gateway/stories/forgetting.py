"""The story of an address that is forgotten at once: all that is held of it is blanked.

Its pseudonym stays, so that it has one account as before, and gets no mail if it wants none. What
is not the desk's stays too: the ban files, and what was said in the room.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.addresses import EmailAddress
from gateway.rules.bans import Ban
from gateway.store import audit, facts, mentions, outbox, registrations, retention, tokens
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring
from gateway.store.mentions import Mention
from gateway.store.registrations import UNDECIDED, Registration, Status
from gateway.stories.burst_watch import mark_of

# The fact that the file is not cleaned yet, should a crash or a reader come between.
SCRUB_OWED = "scrub owed since"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Held:
    """What is held of an address: its requests, texts that name it, and ban lines that do."""

    requests: tuple[Registration, ...]
    mentions: tuple[Mention, ...]
    bans: tuple[Ban, ...]

    @property
    def open(self) -> tuple[Registration, ...]:
        """Those of the requests that may still become an account."""
        return tuple(each for each in self.requests if each.status in UNDECIDED)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was held, the entry in the log, and whether the file itself was cleaned of it."""

    held: Held
    entry: int
    is_scrubbed: bool = False


class Forgetting:
    """Forgets addresses for a moderator."""

    def __init__(
        self, database: Database, keyring: Keyring, bans: BanFiles, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._keyring = keyring
        self._bans = bans
        self._clock = clock

    async def look(self, address: EmailAddress) -> Held:
        """What is held of an address, however it is spelt. Raises OSError."""
        asked = await self._database.read(lambda c: self._requests(c, address))
        named = await self._database.read(lambda c: mentions.find(c, address.key))
        bans: dict[Ban, None] = {}
        for spelling in _spellings(address, asked):
            bans |= dict.fromkeys(await self._bans.search(text=spelling))
        return Held(tuple(asked), tuple(named), tuple(bans))

    async def forget(self, author: Author, address: EmailAddress) -> Forgotten:
        """Blank all that is held of it, and end its open requests. Raises OSError."""
        held = await self.look(address)
        done = await self._database.write(lambda c: self._blank(c, author, address, held))
        try:
            values = _spellings(address, done.held.requests)
            is_scrubbed = await self._database.scrub(*values)
            if is_scrubbed:
                await self._database.write(lambda c: facts.forget(c, SCRUB_OWED))
        except SQLAlchemyError as error:
            _log.error("file_not_cleaned", reason=complaint(error))
            is_scrubbed = False
        return replace(done, is_scrubbed=is_scrubbed)

    def _requests(self, connection: Connection, address: EmailAddress) -> list[Registration]:
        known = (address.key, *self._keyring.pseudonyms(address.key))
        return registrations.of_address(connection, known)

    def _blank(
        self, connection: Connection, author: Author, address: EmailAddress, held: Held
    ) -> Forgotten:
        now = self._clock()
        # Another one may have come since.
        held = replace(held, requests=tuple(self._requests(connection, address)))
        numbers = [each.id for each in held.requests]
        for each in held.open:
            self._end(connection, author, each, now)
        for number in numbers:
            outbox.cancel(connection, number)
        retention.blank_all(connection, numbers, self._pseudonym)
        mentions.take_out(connection, held.mentions)
        causes = [f"{kind} {number}" for number in numbers for kind in ("review", "mail")]
        mentions.silence(connection, [*causes, f"names address {mark_of(address.key)}"], now)
        subject = f"address {self._pseudonym(address.key)}"
        after = f"{len(numbers)} requests and {len(held.mentions)} mentions forgotten"
        facts.note(connection, SCRUB_OWED, now.isoformat())
        entry = audit.note(connection, author, "forget", subject, now, after=after)
        return Forgotten(held, entry)

    @staticmethod
    def _end(
        connection: Connection, author: Author, registration: Registration, now: datetime
    ) -> None:
        number = registration.id
        if not registrations.become(connection, number, Status.REJECTED, UNDECIDED):
            return
        own = tokens.of(connection, number)
        if own is not None:
            tokens.withdraw(connection, own.id, now)
        audit.note(
            connection,
            author,
            "reject",
            f"registration {number}",
            now,
            before=registration.status,
            after=Status.REJECTED,
            reason="its address is forgotten",
        )

    def _pseudonym(self, email_key: str) -> str:
        return self._keyring.pseudonyms(email_key)[0]


def _spellings(address: EmailAddress, asked: Sequence[Registration]) -> set[str]:
    return {address.key, address.text.lower(), *(each.email.lower() for each in asked)} - {""}
