"""The database keeps what it says it kept, and a failing unit takes nobody else down."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import DateTime, create_engine, select
from sqlalchemy.dialects import sqlite

from gateway.store import registrations, tokens
from gateway.store.columns import UtcDateTime, metadata
from gateway.store.database import Database, holds
from gateway.store.events import begin
from gateway.store.room_schema import events
from gateway.store.schema import registrations as rows

MIGRATIONS = Path(__file__).parents[3] / "gateway" / "store" / "migrations"
NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def add(event_id):
    return lambda connection: connection.execute(events.insert().values(event_id=event_id, at=NOW))


async def test_many_writes_at_once_are_all_kept_and_durable(database):
    await asyncio.gather(*(database.write(add(f"$e{n}")) for n in range(500)))
    outside = sqlite3.connect(database.path)
    assert outside.execute("SELECT count(*) FROM events").fetchone() == (500,)
    assert outside.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    outside.close()


async def test_a_failing_unit_is_undone_alone(database):
    def fails(connection):
        add("$gone")(connection)
        raise LookupError("on purpose")

    results = await asyncio.gather(
        database.write(add("$a")),
        database.write(fails),
        database.write(add("$b")),
        return_exceptions=True,
    )
    assert isinstance(results[1], LookupError)
    kept = await database.read(lambda c: set(c.execute(select(events.c.event_id)).scalars()))
    assert kept == {"$a", "$b"}


async def test_times_come_back_aware_and_in_utc(database):
    await database.write(add("$a"))
    assert await database.read(lambda c: c.execute(select(events.c.at)).scalar_one()) == NOW


async def test_times_are_written_as_sqlalchemy_writes_them(database):
    plain = DateTime().dialect_impl(sqlite.dialect()).bind_processor(sqlite.dialect())
    ours = UtcDateTime().bind_processor(sqlite.dialect())
    berlin = timezone(timedelta(hours=1))
    for at in (NOW, NOW.replace(microsecond=7), datetime(1, 1, 2, 3, tzinfo=berlin)):
        assert ours(at) == plain(at.astimezone(UTC).replace(tzinfo=None))
    assert ours(None) is None


async def test_the_migrations_end_at_the_schema(database):
    def difference(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await database.read(difference) == []


async def test_a_desk_of_the_first_version_keeps_its_rows(tmp_path):
    path = tmp_path / "porter.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    engine = create_engine(f"sqlite:///{path}")
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.exec_driver_sql(
            "INSERT INTO registrations (id, created_at, name, email, email_key, ip, network,"
            " language, status, refusals, name_checked, held_until) VALUES (1, :at, 'ann',"
            " 'ann@Mail.example', 'ann@mail.example', '203.0.113.7', '203.0.113.0/24', 'en',"
            " 'mailed', '[]', 1, :at)",
            {"at": "2026-11-24 12:00:00.000000"},
        )
        for id, registration in ((1, 1), (2, None)):
            connection.exec_driver_sql(
                "INSERT INTO tokens (id, value, registration_id, created_at, issued_at)"
                " VALUES (:id, :value, :registration, :at, :at)",
                {
                    "id": id,
                    "value": f"token-{id}",
                    "registration": registration,
                    "at": "2026-11-24 12:00:00.000000",
                },
            )
        connection.exec_driver_sql("INSERT INTO events VALUES ('$a', '2026-11-24 12:00:00.000000')")
    engine.dispose()
    database = Database(path)
    database.open()
    try:
        own, shared, found, again = await database.write(
            lambda c: (
                tokens.of(c, 1),
                tokens.current_shared(c),
                registrations.get(c, 1),
                begin(c, "$a", NOW),
            )
        )
        domains = await database.read(lambda c: c.execute(select(rows.c.domain)).scalars().all())
    finally:
        await database.close()
    assert (own.value, own.purpose, own.uses) == ("token-1", "applicant", 1)
    assert (shared.value, shared.purpose, shared.uses) == ("token-2", "shared", None)
    assert (found.name, found.reviews, domains) == ("ann", (), ["mail.example"])
    assert again is None  # it was answered by the older version


async def test_two_processes_may_start_on_one_file(database, tmp_path):
    second = Database(database.path)
    second.open()
    await asyncio.gather(
        *(database.write(add(f"$x{n}")) for n in range(50)),
        *(second.write(add(f"$y{n}")) for n in range(50)),
    )
    count = await second.read(lambda c: len(c.execute(select(events.c.event_id)).all()))
    assert count == 100
    await second.close()


async def test_processes_that_start_at_once_on_a_new_file_wait_for_each_other(tmp_path):
    for round in range(5):
        several = [Database(tmp_path / f"{round}" / "porter.db") for _ in range(4)]
        await asyncio.gather(*(asyncio.to_thread(each.open) for each in several))
        await asyncio.gather(*(each.close() for each in several))


async def test_the_file_is_for_its_owner_alone(database):
    assert database.path.stat().st_mode & 0o777 == 0o600
    assert database.path.parent.stat().st_mode & 0o777 == 0o700


async def test_a_backup_is_whole(database, tmp_path):
    await database.write(add("$a"))
    database.backup(tmp_path / "copy.db")
    copy = sqlite3.connect(tmp_path / "copy.db")
    assert copy.execute("SELECT event_id FROM events").fetchall() == [("$a",)]
    copy.close()


@pytest.mark.parametrize("small", [0, 2**30])
async def test_what_was_deleted_stands_in_no_file(database, monkeypatch, small):
    """Not in the log beside it, and not in the gap that a row left which moved."""
    monkeypatch.setattr("gateway.store.database._SMALL", small)
    words = [f"$word{n:04}" for n in range(900)]
    await asyncio.gather(*(database.write(add(word)) for word in words))
    await database.write(lambda c: c.execute(events.delete()))
    log = database.path.with_name(f"{database.path.name}-wal")
    assert holds(log, words[0].encode())
    assert await database.scrub(*words)
    for file in (database.path, log):
        content = file.read_bytes()
        assert [word for word in words if word.encode() in content] == []


async def test_whoever_reads_an_older_state_hinders_it_and_that_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("gateway.store.database._BUSY", 0.05)
    database = Database(tmp_path / "porter.db")
    database.open()
    await database.write(add("$word"))
    reader = sqlite3.connect(database.path, isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM events").fetchone() == (1,)
    await database.write(lambda c: c.execute(events.delete()))
    assert not await database.scrub()
    reader.close()
    assert await database.scrub("$word")
    await database.close()


def test_a_value_is_found_wherever_it_stands_in_a_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"x" * ((1 << 20) - 3) + b"Ann@X.org" + b"y" * 10)
    assert holds(path, b"ann@x.org")
    assert holds(path, b"y")
    assert not holds(path, b"bob@x.org")
