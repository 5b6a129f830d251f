"""Orders: commands for the homeserver's admin room, placed by the gateway and given by the bot.

An order stands for a wish, its key, until it is discarded; so a wish that is repeated after a
crash finds the reply of the first time. The bot gives each order once and keeps what the server
replied. No token gets lost on the way: one that nobody waits for any more is an orphan, a row in
`tokens` that is due to be taken back at once.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select

from gateway.rules.replies import token_in
from gateway.store import outbox, tokens
from gateway.store.schema import orders


@dataclass(frozen=True, slots=True)
class Order:
    """A command for the admin room; `event_id` is that of the message that gave it there."""

    id: int
    key: str
    command: str
    at: datetime
    given_at: datetime | None
    event_id: str | None
    reply: str | None
    answered_at: datetime | None
    discarded_at: datetime | None


_COLUMNS = tuple(orders.c[name] for name in Order.__slots__)
_OPEN = and_(orders.c.answered_at.is_(None), orders.c.discarded_at.is_(None))


def place(connection: Connection, key: str, command: str, now: datetime) -> Order:
    """The order that stands for a wish, else a new one."""
    standing = of(connection, key)
    if standing is not None:
        return standing
    added = orders.insert().values(key=key, command=command, at=now).returning(*_COLUMNS)
    return Order(*connection.execute(added).one())


def of(connection: Connection, key: str) -> Order | None:
    """The order that stands for a wish."""
    return _first(connection, orders.c.key == key, orders.c.discarded_at.is_(None))


def get(connection: Connection, order_id: int) -> Order | None:
    """One order by its number."""
    return _first(connection, orders.c.id == order_id)


def to_give(connection: Connection, most: int) -> list[Order]:
    """Orders that the bot has not given yet, oldest first."""
    query = select(*_COLUMNS).where(_OPEN, orders.c.event_id.is_(None))
    return [Order(*row) for row in connection.execute(query.order_by(orders.c.id).limit(most))]


def awaited(connection: Connection) -> list[Order]:
    """Orders that were given and have no reply yet, oldest first."""
    query = select(*_COLUMNS).where(_OPEN, orders.c.event_id.is_not(None))
    return [Order(*row) for row in connection.execute(query.order_by(orders.c.id))]


def given(connection: Connection, order_id: int, event_id: str, now: datetime) -> None:
    """The command stands in the room, also when nobody wants it any more: a reply will come."""
    connection.execute(
        orders.update()
        .where(orders.c.id == order_id, orders.c.event_id.is_(None))
        .values(event_id=event_id, given_at=now)
    )


def answered(connection: Connection, event_id: str, reply: str, now: datetime) -> bool:
    """Keep the server's reply to a command; False when no order of ours was given by that event.

    The mail that waits for it is due at once. A reply that is the second one, or comes to an order
    that was discarded, fulfils nothing: a token in it is an orphan.
    """
    order = _first(connection, orders.c.event_id == event_id)
    if order is None:
        return False
    if order.reply is None:
        connection.execute(
            orders.update().where(orders.c.id == order.id).values(reply=reply, answered_at=now)
        )
    if order.reply is None and order.discarded_at is None:
        _told(connection, order.key, now)
    elif token_in(reply) != token_in(order.reply or ""):
        stray(connection, reply, now)
    return True


def stray(connection: Connection, reply: str, now: datetime) -> None:
    """A reply that fulfils no order of ours: a token in it is an orphan."""
    value = token_in(reply)
    if value is not None:
        tokens.orphan(connection, value, now)


def discard(connection: Connection, order_id: int, now: datetime) -> None:
    """Let an order stand for its wish no more, unless it has made a token.

    A token that it makes later, and that nobody waits for then, is an orphan.
    """
    order = get(connection, order_id)
    if order is not None and token_in(order.reply or "") is None:
        connection.execute(
            orders.update()
            .where(orders.c.id == order_id, orders.c.discarded_at.is_(None))
            .values(discarded_at=now)
        )


def oldest_open(connection: Connection) -> Order | None:
    """The order that has been waiting longest, to be given or for its reply."""
    query = select(*_COLUMNS).where(_OPEN).order_by(orders.c.id).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Order(*row)


def _told(connection: Connection, key: str, now: datetime) -> None:
    """What waited for the token that was wished for need not wait any more."""
    token = tokens.with_value(connection, key)
    if token is None:
        return
    if token.registration_id is not None:
        outbox.hurry(connection, token.registration_id, now)
    # It may have been revoked while the server did not have it yet.
    tokens.take_back_again(connection, token.id)


def _first(connection: Connection, *conditions: ColumnElement[bool]) -> Order | None:
    query = select(*_COLUMNS).where(*conditions).order_by(orders.c.id.desc()).limit(1)
    row = connection.execute(query).first()
    return None if row is None else Order(*row)
