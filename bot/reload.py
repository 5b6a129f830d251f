"""The reload: another reading of the configuration while the desk runs, and what is said of it.

Of the settings only the names are told, never the values.
"""

from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import BaseModel
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.desk import Desk
from gateway.settings.config import ConfigError, load
from gateway.settings.settings import Settings
from gateway.store import alerts, audit, states
from gateway.store.audit import PORTER
from gateway.store.database import complaint

_log = structlog.get_logger(__name__)

_CAUSE = "config"
_WELL = "The configuration can be used again"
_MOST = 5  # faults in one message


def read(config: Path, before: Settings) -> Settings:
    """The settings as they stand in the file now. Raises ConfigError."""
    settings = load(config)
    if settings.state != before.state:
        raise ConfigError(["state: another folder is another desk; restart Porter to move there"])
    return settings


def changed(before: BaseModel, after: BaseModel) -> Iterator[str]:
    """The paths of the keys that differ, such as `smtp.host`."""
    for key in type(after).model_fields:
        old, new = getattr(before, key), getattr(after, key)
        if isinstance(old, BaseModel) and isinstance(new, BaseModel):
            yield from (f"{key}.{path}" for path in changed(old, new))
        elif old != new:
            yield key


async def settle(desk: Desk) -> None:
    """The desk was started with what is in its file: an older complaint of it is over."""
    try:
        await desk.database.write(lambda c: alerts.end(c, _CAUSE, desk.clock(), _WELL))
    except SQLAlchemyError as error:
        _log.warning("alert_lost", reason=complaint(error))


async def tell_refused(desk: Desk, faults: list[str]) -> None:
    """The file cannot be used, and the desk goes on as before."""
    _log.error("not_reloaded", faults=faults)
    shown = "; ".join(map(alerts.outside, faults[:_MOST]))
    shown += f"; and {len(faults) - _MOST} more" if faults[_MOST:] else ""
    text = f"The configuration cannot be used, and the desk goes on with the one before: {shown}"
    try:
        await desk.database.write(lambda c: states.begin(c, _CAUSE, text, desk.clock()))
    except SQLAlchemyError as error:
        _log.warning("alert_lost", reason=complaint(error))


async def tell_done(desk: Desk, before: Settings) -> None:
    """The desk goes on with other settings."""
    keys = [*changed(before, desk.settings)]
    _log.info("reloaded", changed=keys)

    def record(connection: Connection) -> None:
        now = desk.clock()
        alerts.end(connection, _CAUSE, now, _WELL)
        audit.note(connection, PORTER, "reload", "config", now, after=", ".join(keys) or None)

    try:
        await desk.database.write(record)
    except SQLAlchemyError as error:
        _log.warning("audit_lost", reason=complaint(error))
