"""How the servers behind the desk stand outlives a process."""

from datetime import UTC, datetime

from gateway.store import health
from gateway.store.health import Health

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_each_server_stands_for_itself(database):
    down = Health(False, NOW, "it cannot be reached")
    await database.write(lambda c: health.note(c, "smtp", Health(True, NOW)))
    await database.write(lambda c: health.note(c, "smtp", down))
    assert await database.read(lambda c: health.recall(c, "smtp")) == down
    assert await database.read(lambda c: health.recall(c, "homeserver")) is None
