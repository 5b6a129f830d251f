"""The story of a burst: noted request by request, told to the room second by second.

A request costs a look into memory; what there is to tell is written down in the background, for
all causes in one transaction. Beyond a few of them further bursts fold into one alert, so that a
flood stays readable. Each process counts for itself.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.rules.abuse import MOST_CAUSES, Burst, Bursts, Sample
from gateway.rules.addresses import is_for_everybody, masked
from gateway.rules.bans import Kind
from gateway.rules.reach import holds_domain, holds_network
from gateway.rules.screening import Code, Refusal, Screened, in_words
from gateway.settings.room import Alerts
from gateway.store import alerts
from gateway.store.alerts import outside
from gateway.store.database import Database, complaint
from gateway.store.offers import Offer
from gateway.store.registrations import Request

_log = structlog.get_logger(__name__)

EVERY = 1.0  # seconds between two times of telling
MOST = 3  # bursts with a message of their own; with its thread each is two
_STAYS = timedelta(hours=1)  # how long an ended one keeps its place among these
_KINDS = ("burst", "hits", "names")
_IN_ALL, _ELSEWHERE = "burst all", "burst elsewhere"  # these always have a place
_LONGEST_SAMPLE = 40  # characters of a name
_MOST_SAMPLES = 10  # of one cause within a second
_CANONICAL = re.compile(r"[0-9a-z.:/-]+")  # what cannot be read as anything but one word
_MUTE = ("🔇", "mute {id} --for 1d")
_PAUSE = ("⏸️", "pause --for 1h")


@dataclass(slots=True)
class _Tally:
    """What there is to tell of one cause."""

    text: str
    bans: str | None  # the value that could be banned, as the command has it
    count: int
    since: datetime
    samples: list[Sample]

    def add(self, burst: Burst) -> None:
        self.count += burst.count
        self.samples = [*self.samples, *burst.samples][-_MOST_SAMPLES:]

    @property
    def actions(self) -> list[Offer]:
        offered = [("🚫", f"ban {self.bans} --for 1d")] if self.bans else []
        return [*offered, _PAUSE, _MUTE]


class _Cause(NamedTuple):
    """Under what a request counts: `words` with `shown` in the place of {} say it, `bans` is what
    could be banned, and of the same `value` one counts."""

    bursts: Bursts
    cause: str
    words: str
    shown: str = ""
    bans: str | None = None
    value: str | None = None

    @property
    def text(self) -> str:
        return f"{self.words.format(outside(self.shown))} ({self.bursts.limit} or more)"


class BurstWatch:
    """Counts what comes to the desk, and tells the room when it comes thick."""

    def __init__(self, limits: Alerts, database: Database, clock: Clock = utc_now) -> None:
        self._limits = limits
        self._database = database
        self._clock = clock
        self._bursts = Bursts(limits.burst)
        self._in_all = Bursts(limits.burst_in_all)
        self._hits = Bursts(limits.ban_hits)
        self._address_names = Bursts(limits.names_by_address)
        self._network_names = Bursts(limits.names_by_network)
        self._tallies: dict[str, _Tally] = {}
        self._folded: dict[str, None] = {}  # in the order in which they were told

    def heard(self, request: Request, screened: Screened, refusals: tuple[Refusal, ...]) -> None:
        """Note a request with the decision on it."""
        now = self._clock()
        codes = {each.code for each in refusals}
        if codes == {Code.CLOSED}:
            return

        def sample() -> str:
            return _sample(request, refusals, now)

        told = [
            self._note(each, now, sample)
            for each in (*self._refused(request, screened, codes), *self._names(request, screened))
        ]
        if not any(told) and codes:
            # The hits of a burst that is told already need no second message.
            for each in self._hit(screened):
                self._note(each, now, sample)

    async def run(self) -> None:
        """Tell what was noted, until cancelled."""
        failing = False
        try:
            while True:
                await asyncio.sleep(EVERY)
                try:
                    await self.tell()
                except SQLAlchemyError as error:
                    if not failing:
                        _log.error("bursts_not_told_yet", reason=complaint(error))
                    failing = True
                else:
                    failing = False
        finally:
            with suppress(SQLAlchemyError):
                await self.tell()

    async def tell(self) -> None:
        """Write down what was noted since the last time. Raises SQLAlchemyError; then it stays."""
        if not self._tallies:
            return
        told, self._tallies = self._tallies, {}
        try:
            await self._database.write(lambda c: self._write(c, told))
        except SQLAlchemyError:
            for cause, tally in self._tallies.items():
                if cause in told:
                    tally.count += told[cause].count
                    tally.since = told[cause].since
            self._tallies = told | self._tallies
            raise

    def _refused(self, request: Request, screened: Screened, codes: set[Code]) -> Iterator[_Cause]:
        if not codes:
            return
        burst, network = self._bursts, request.network
        words = "Burst of refused requests from the network {}"
        # What is banned already needs no offer to ban it.
        bans = None if holds_network(screened.met, network) else f"ip {network}"
        yield _Cause(burst, f"burst network {network}", words, network, bans)
        if screened.address is not None:
            domain = screened.address.domain
            words = "Burst of refused requests with addresses at {}"
            closed = is_for_everybody(domain) or holds_domain(screened.met, domain)
            bans = None if closed else f"email @{domain}"
            yield _Cause(burst, f"burst domain {domain}", words, domain, bans)
        for pattern in (value for kind, value in screened.met if kind is Kind.NAME):
            words = "Burst of refused requests for names like {}"
            yield _Cause(burst, f"burst pattern {pattern}", words, pattern)
        yield _Cause(self._in_all, _IN_ALL, "Burst of refused requests in all")

    def _names(self, request: Request, screened: Screened) -> Iterator[_Cause]:
        name, network = screened.name, request.network
        if name is None:
            return
        if screened.address is not None:
            # An address is personal: neither the cause nor the message holds it.
            cause = f"names address {mark_of(request.email_key)}"
            words, email = "One address, {}, asks for many names", masked(request.email)
            yield _Cause(self._address_names, cause, words, email, None, name)
        cause, words = f"names network {network}", "One network, {}, asks for many names"
        yield _Cause(self._network_names, cause, words, network, f"ip {network}", name)

    def _hit(self, screened: Screened) -> Iterator[_Cause]:
        for kind, value in screened.met:
            words = f"The {kind} ban on {{}} is hit often"
            yield _Cause(self._hits, f"hits {kind} {value}", words, value)

    def _note(self, cause: _Cause, now: datetime, sample: Sample) -> bool:
        burst = cause.bursts.note(cause.cause, now, sample, cause.value)
        if burst is None:
            return False
        tally = self._tallies.get(cause.cause)
        if tally is None:
            bans = cause.bans if cause.bans and _is_canonical(cause.bans) else None
            tally = _Tally(cause.text, bans, 0, burst.since, [])
            self._tallies[cause.cause] = tally
        tally.add(burst)
        return True

    def _write(self, connection: Connection, told: dict[str, _Tally]) -> None:
        now = self._clock()
        alerts.end_silent(connection, now)
        open_now = {each.cause for each in alerts.lasting(connection)}
        if _ELSEWHERE not in open_now:
            self._folded.clear()
        taken = [each for each in alerts.recent(connection, now, _STAYS) if _needs_place(each)]
        free = MOST - len(taken)
        folded: list[tuple[str, _Tally]] = []
        # The places go first to what can be banned, then to what is most.
        by_use = sorted(told.items(), key=lambda each: (each[1].bans is None, -each[1].count))
        for cause, tally in by_use:
            if cause not in open_now and _needs_place(cause):
                if free <= 0:
                    folded.append((cause, tally))
                    continue
                free -= 1
            alerts.raise_alert(
                connection,
                cause,
                tally.text,
                now,
                count=tally.count,
                since=tally.since,
                quiet=self._limits.quiet,
                details=[sample() for sample in tally.samples],
                actions=tally.actions,
            )
        if folded:
            self._fold(connection, folded, now)

    def _fold(
        self, connection: Connection, folded: list[tuple[str, _Tally]], now: datetime
    ) -> None:
        fresh = [(cause, tally) for cause, tally in folded if cause not in self._folded]
        self._folded.update((cause, None) for cause, _ in fresh)
        while len(self._folded) > MOST_CAUSES:  # the oldest may be counted once more
            del self._folded[next(iter(self._folded))]
        alerts.raise_alert(
            connection,
            _ELSEWHERE,
            "Bursts elsewhere: more networks, domains, patterns and persons than are told one by"
            " one",
            now,
            count=len(fresh),
            quiet=self._limits.quiet,
            details=[f"{tally.text}: {tally.samples[-1]()}" for _, tally in fresh[-_MOST_SAMPLES:]],
            actions=[_PAUSE, _MUTE],
        )


def mark_of(email_key: str) -> str:
    """What stands for an address in a cause."""
    return hashlib.sha256(email_key.encode()).hexdigest()[:8]


def _needs_place(cause: str) -> bool:
    return cause.startswith(tuple(f"{kind} " for kind in _KINDS)) and cause not in (
        _IN_ALL,
        _ELSEWHERE,
    )


def _is_canonical(bans: str) -> bool:
    """Whether a value that somebody chose stands in a command as one word and nothing else."""
    value = bans.partition(" ")[2].removeprefix("@")
    return _CANONICAL.fullmatch(value) is not None and not value.startswith("-")


def _sample(request: Request, refusals: tuple[Refusal, ...], now: datetime) -> str:
    name = request.name[:_LONGEST_SAMPLE]
    why = ", ".join(in_words(each.code) for each in refusals) or "accepted"
    who = f"{outside(name)} · {outside(masked(request.email)[:_LONGEST_SAMPLE])}"
    return f"{now:%H:%M:%S} · {who} · {outside(request.network)} · {why}"
