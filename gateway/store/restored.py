"""What follows when the homeserver was put back to an earlier state, by a backup of its own."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, or_

from gateway.store.schema import tokens

_OLDEST = timedelta(days=30)  # a backup that is restored is hardly older


def doubt_withdrawals(connection: Connection, now: datetime) -> None:
    """It may have again what it was told to revoke: all of that which does not end by itself by now
    is due once more. To revoke what is revoked does no harm."""
    connection.execute(
        tokens.update()
        .where(
            tokens.c.withdrawn_at > now - _OLDEST,
            or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > now),
        )
        .values(withdrawn_at=None)
    )
