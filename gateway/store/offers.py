"""Offers: which reaction to one of our messages in the room stands for which command.

One that was withdrawn stays known without its command, so that a late click can be answered.
"""

import re
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.room_schema import offers

_VARIANTS = re.compile("[\ufe0e\ufe0f\U0001f3fb-\U0001f3ff]")

Offer = tuple[str, str]  # the reaction, and the command as it would be typed


def keep(connection: Connection, event_id: str, offered: Sequence[Offer], now: datetime) -> None:
    """Offer these, and nothing else any more, at a message of ours."""
    connection.execute(offers.update().where(offers.c.event_id == event_id).values(command=""))
    for key, command in offered:
        values = {"event_id": event_id, "key": key, "command": command, "at": now}
        again = {"command": command, "at": now}
        kept = insert(offers).values(values)
        connection.execute(
            kept.on_conflict_do_update(index_elements=["event_id", "key"], set_=again)
        )


def command(connection: Connection, event_id: str, key: str) -> str | None:
    """The command that a reaction stands for: an empty one when it was withdrawn, None when it was
    never offered. Variants and skin tones of one emoji are the same key."""
    found = connection.execute(
        select(offers.c.key, offers.c.command).where(offers.c.event_id == event_id)
    )
    return next((each.command for each in found if _bare(each.key) == _bare(key)), None)


def _bare(key: str) -> str:
    return _VARIANTS.sub("", key)
