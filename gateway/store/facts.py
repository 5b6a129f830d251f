"""Facts: single values that outlive a process, such as the moderators' pause."""

from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects.sqlite import insert

from gateway.store.prepared import Prepared
from gateway.store.schema import facts


def note(connection: Connection, key: str, value: str) -> None:
    """Keep `value` under `key`, in place of what stood there."""
    kept = insert(facts).values(key=key, value=value)
    connection.execute(kept.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def recall(connection: Connection, key: str) -> str | None:
    """What is kept under `key`."""
    row = _RECALL.first(connection, {"key": key})
    return None if row is None else str(row[0])


_RECALL = Prepared(select(facts.c.value).where(facts.c.key == bindparam("key")))


def forget(connection: Connection, key: str) -> bool:
    """Drop what is kept under `key`; whether there was something."""
    return connection.execute(facts.delete().where(facts.c.key == key)).rowcount == 1
