"""What was done can be found again."""

from datetime import UTC, datetime

from gateway.store import audit

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


async def test_entries_come_back_newest_first_and_are_searched(database):
    ban = audit.Entry(NOW, "@mod:x", "ban", "ip 203.0.113.0/24", reason="100% proxy")
    pause = audit.Entry(NOW, "@mod:x", "pause", "desk", after="2h", event_id="$e")
    for entry in (ban, pause):
        await database.write(lambda c, entry=entry: audit.write(c, entry))
    assert await database.read(audit.search) == [pause, ban]
    assert await database.read(lambda c: audit.search(c, "203.0.113")) == [ban]
    assert await database.read(lambda c: audit.search(c, "100%")) == [ban]
    assert await database.read(lambda c: audit.search(c, "%")) == [ban]
