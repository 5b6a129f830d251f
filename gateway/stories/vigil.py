"""The vigil: looks after the servers behind the desk, its disk and its alerts, and tells the room
when one of them fails and when it is well again.

What is known stands in the database, so that a restart neither forgets nor repeats it. Of several
processes one keeps the vigil at a time.
"""

import asyncio
import os
import secrets
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import HomeserverError
from gateway.mail.delivery import DeliveryError
from gateway.rules.durations import format_duration
from gateway.settings.settings import Settings
from gateway.store import alerts, health, leases, outbox, states
from gateway.store.alerts import outside
from gateway.store.database import Database, complaint
from gateway.store.health import Health
from gateway.store.offers import Offer
from gateway.stories.failures import end_failing
from gateway.stories.unsaved import Outage, Unsaved

_log = structlog.get_logger(__name__)

EVERY = 15.0  # seconds between two rounds
_LEASE = timedelta(minutes=6)  # longer than a round: a mail server may take four minutes
_MAIL_REST = 120.0  # seconds between two log-ins at a mail server that can be used
_ENOUGH = 1.1  # times the least free space, before a disk that was low is well again
_MUTE: Offer = ("🔇", "mute {id} --for 1d")
_PAUSE: Offer = ("⏸️", "pause --for 1h")

Check = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Server:
    """A server behind the desk. `check` raises DeliveryError or HomeserverError; `well` is how many
    seconds it is left alone while it can be used."""

    name: str
    title: str
    check: Check
    well: float


def servers(smtp: Check, homeserver: Check) -> tuple[Server, ...]:
    """The servers of one desk."""
    return (
        Server("smtp", "The mail server", smtp, _MAIL_REST),
        Server("homeserver", "The homeserver", homeserver, 0.0),
    )


class Vigil:
    """Keeps watch. `unsaved` collects what the database did not take."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        servers: tuple[Server, ...],
        unsaved: Unsaved,
        clock: Clock = utc_now,
    ) -> None:
        self._state = settings.state
        self._limits = settings.alerts
        self._database = database
        self._servers = servers
        self._unsaved = unsaved
        self._clock = clock
        self._holder = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._failing_since: dict[str, float] = {}
        self._rest_until: dict[str, float] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                await self.look()
                await asyncio.sleep(EVERY)
        finally:
            with suppress(SQLAlchemyError):  # it ends by its time
                await self._database.write(lambda c: leases.release(c, "vigil", self._holder))

    async def look(self) -> None:
        """One round."""
        outage = self._unsaved.take()
        try:
            is_ours = await self._database.write(lambda c: self._look_around(c, outage))
        except SQLAlchemyError as error:
            if outage is not None:
                self._unsaved.give_back(outage)
            self._unsaved.note(complaint(error), self._clock())
            return
        if is_ours:
            async with asyncio.TaskGroup() as tasks:
                for server in self._servers:
                    tasks.create_task(self._look_at(server))

    def _look_around(self, connection: Connection, outage: Outage | None) -> bool:
        """Whether it is for us to look at the servers too."""
        now = self._clock()
        if outage is not None:
            self._tell_outage(connection, outage, now)
        if not leases.take(connection, "vigil", self._holder, now, _LEASE):
            return False
        alerts.end_silent(connection, now)
        alerts.drop_muted(connection, now)
        end_failing(connection, now)
        self._look_at_disk(connection, now)
        return True

    def _tell_outage(self, connection: Connection, outage: Outage, now: datetime) -> None:
        count = outage.requests
        turned_away = "1 request was" if count == 1 else f"{count} requests were"
        text = (
            f"The desk could not save anything from {outage.since:%H:%M:%S} to"
            f" {outage.last:%H:%M:%S} UTC: {outside(outage.reason)}."
            f" {turned_away} turned away"
        )
        alerts.raise_alert(
            connection, "saving", text, now, since=outage.since, quiet=self._limits.quiet
        )

    def _look_at_disk(self, connection: Connection, now: datetime) -> None:
        free, least = shutil.disk_usage(self._state).free, self._limits.disk
        if free < least:
            text = f"Disk space is low: less than {least / 2**20:.0f} MiB free for the database"
            states.begin(connection, "disk low", text, now, actions=[_PAUSE, _MUTE])
        elif free > least * _ENOUGH:
            alerts.end(connection, "disk low", now, "There is enough disk space again")

    async def _look_at(self, server: Server) -> None:
        if time.monotonic() < self._rest_until.get(server.name, 0):
            return
        try:
            await server.check()
        except (DeliveryError, HomeserverError) as error:
            since = self._failing_since.setdefault(server.name, time.monotonic())
            failed_for = timedelta(seconds=round(time.monotonic() - since))
            if failed_for >= self._limits.down_after:
                await self._note(server, failed_for, str(error))
        else:
            self._failing_since.pop(server.name, None)
            await self._note(server, timedelta(), "")
            self._rest_until[server.name] = time.monotonic() + server.well

    async def _note(self, server: Server, failed_for: timedelta, reason: str) -> None:
        now = self._clock()
        found = Health(not reason, now - failed_for, reason)
        known = await self._database.read(lambda c: health.recall(c, server.name))
        if known is not None and known.is_up == found.is_up:
            if known.reason == found.reason:
                return
            found = replace(found, since=known.since)

        def record(connection: Connection) -> None:
            health.note(connection, server.name, found)
            cause = f"{server.name} down"
            if not found.is_up:
                text = f"{server.title} cannot be used: {outside(reason)}. Mails wait for it"
                states.begin(
                    connection, cause, text, now, since=found.since, actions=[_PAUSE, _MUTE]
                )
            elif known is not None:
                alerts.end(connection, cause, now, _back(server, known, now))
                outbox.hurry(connection, None, now)

        try:
            await self._database.write(record)
        except SQLAlchemyError as error:
            self._unsaved.note(complaint(error), now)
            return
        if not found.is_up:
            _log.warning("server_down", server=server.name, reason=reason)
        elif known is not None:
            _log.info("server_back", server=server.name)


def _back(server: Server, known: Health, now: datetime) -> str:
    span = timedelta(seconds=max(60, (now - known.since).total_seconds() // 60 * 60))
    return (
        f"{server.title} can be used again. It could not for {format_duration(span)},"
        f" from {known.since:%Y-%m-%d %H:%M} UTC: {outside(known.reason)}"
    )
