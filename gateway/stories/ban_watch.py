"""The story of the ban files: kept in force, told when they have bad lines, swept."""

import asyncio

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.clock import Clock, utc_now
from gateway.store import alerts, states
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database, complaint
from gateway.stories.moderation import Moderation

_log = structlog.get_logger(__name__)

_SWEEP = 60.0  # seconds between two looks for bans whose time is over
_CAUSE = "files"
_MOST = 5  # faults in one message


class BanWatch:
    """Keeps the bans true to their files, and takes out what is over."""

    def __init__(
        self, database: Database, bans: BanFiles, moderation: Moderation, clock: Clock = utc_now
    ) -> None:
        self._database = database
        self._bans = bans
        self._moderation = moderation
        self._clock = clock
        self._told: set[str] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._bans.watch(self._report))
            tasks.create_task(self._sweep())

    async def _report(self, faults: list[str]) -> None:
        now = self._clock()
        for fault in faults:
            if fault not in self._told:
                _log.warning("ban_line_unreadable", fault=fault)
        self._told = set(faults)
        shown = "; ".join(map(alerts.outside, faults[:_MOST]))
        shown += f"; and {len(faults) - _MOST} more" if faults[_MOST:] else ""

        def tell(connection: Connection) -> None:
            if faults:
                states.begin(connection, _CAUSE, f"Ban files: {shown}", now)
            else:
                alerts.end(connection, _CAUSE, now, "Ban files: every line can be read again")

        await self._database.write(tell)

    async def _sweep(self) -> None:
        while True:
            try:
                await self._moderation.finish()
                for ban in await self._moderation.expire():
                    _log.info("ban_expired", kind=ban.kind, value=ban.value, by=ban.by)
            except OSError as error:
                _log.warning("ban_files_unwritable", reason=str(error))
            except SQLAlchemyError as error:
                _log.warning("bans_not_swept", reason=complaint(error))
            await asyncio.sleep(_SWEEP)
