"""States: alerts of what is so until it is not any more, such as a server that is down."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection

from gateway.store import alerts
from gateway.store.offers import Offer

_RELAPSE = timedelta(minutes=15)  # within this time a state that is back is the same as before


def begin(
    connection: Connection,
    cause: str,
    text: str,
    now: datetime,
    *,
    since: datetime | None = None,
    actions: Sequence[Offer] = (),
) -> None:
    """Say how something stands until `alerts.end`: told anew only when the words change, however
    many processes say so. What comes and goes all the time stays one message, which counts."""
    standing = alerts.standing(connection, cause, now)
    before = alerts.ended(connection, cause, now - _RELAPSE)
    if standing is not None:
        if standing.text != text:
            alerts.change(connection, standing, text=text, last_at=now)
    elif before is not None:
        alerts.change(
            connection,
            before,
            text=text,
            count=before.count + 1,
            last_at=now,
            ended_at=None,
            actions=alerts.offered(actions, before.id),
        )
    else:
        alerts.raise_alert(connection, cause, text, now, since=since, quiet=None, actions=actions)
