"""Offers: which reaction to one of our messages in the room stands for which command."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.schema import offers

Offer = tuple[str, str]  # the reaction, and the command as it would be typed


def keep(connection: Connection, event_id: str, offered: Sequence[Offer], now: datetime) -> None:
    """Offer these, and nothing else any more, at a message of ours."""
    connection.execute(offers.delete().where(offers.c.event_id == event_id))
    for key, command in offered:
        values = {"event_id": event_id, "key": key, "command": command, "at": now}
        connection.execute(insert(offers).values(values).on_conflict_do_nothing())


def command(connection: Connection, event_id: str, key: str) -> str | None:
    """The command that a reaction stands for. Variants of one emoji are the same key."""
    found = connection.execute(
        select(offers.c.key, offers.c.command).where(offers.c.event_id == event_id)
    )
    return next((each.command for each in found if _bare(each.key) == _bare(key)), None)


def _bare(key: str) -> str:
    return key.replace("\ufe0f", "").replace("\ufe0e", "")
