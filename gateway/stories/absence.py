"""The bot's absence: told when commands for the homeserver's admin room wait for it.

Only the bot can give them, and show what is told here; so the log and `porter status` say it too.
"""

from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection

from gateway.store import admin_room, alerts, orders, states

_log = structlog.get_logger(__name__)

_PATIENCE = timedelta(minutes=2)  # the bot reads that room every ten seconds
_CAUSE = "admin away"
_MUTE = (("🔇", "mute {id} --for 1d"),)


def absence(connection: Connection, now: datetime) -> str | None:
    """That the bot is away while commands wait for it; None while it is there, or none waits."""
    oldest, last = orders.oldest_open(connection), admin_room.last(connection)
    if oldest is None or now - oldest.at < _PATIENCE:
        return None
    if last is None:
        return "The bot has never read the homeserver's admin room: mails wait for its tokens."
    if now - last.read_at < _PATIENCE:
        return None
    return (
        f"The bot has not read the homeserver's admin room since {last.read_at:%Y-%m-%d %H:%M} UTC:"
        " mails wait for its tokens."
    )


def look_for_bot(connection: Connection, now: datetime) -> None:
    """Tell when the bot is away, and when it is back."""
    away = absence(connection, now)
    if away is None:
        alerts.end(connection, _CAUSE, now, "The bot reads the homeserver's admin room again")
        return
    if alerts.standing(connection, _CAUSE, now) is None:
        _log.warning("bot_away", reason=away)
    states.begin(connection, _CAUSE, away.removesuffix("."), now, actions=_MUTE)
