"""A backup is whole, checked, its owner's alone, and made while others write."""

import asyncio
import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.operator.backup import BackupError, back_up
from gateway.store import facts
from gateway.store.database import Database


@pytest.fixture
async def database(tmp_path: Path):
    database = Database(tmp_path / "state" / "porter.db")
    database.open()
    yield database
    await database.close()


async def _facts(path: Path) -> list[str | None]:
    copy = Database(path)
    copy.open()
    found = await copy.read(lambda c: [facts.recall(c, f"fact {n}") for n in range(3)])
    await copy.close()
    return found


async def test_a_copy_holds_what_was_written_and_nobody_else_may_read_it(
    database: Database, tmp_path: Path
) -> None:
    await database.write(lambda c: facts.note(c, "fact 0", "kept"))
    target = tmp_path / "copy.db"
    assert back_up(database, target) == target.stat().st_size > 0
    assert target.stat().st_mode & 0o777 == 0o600
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "state"]
    assert await _facts(target) == ["kept", None, None]


def _write_pairs(path: Path, begun: "multiprocessing.synchronize.Event") -> None:
    """Write the two halves of a fact in one transaction, again and again."""

    async def write() -> None:
        database = Database(path)
        database.open()
        for number in range(100_000):

            def both(connection, value=str(number)):  # type: ignore[no-untyped-def]
                facts.note(connection, "fact 1", value)
                facts.note(connection, "fact 2", value)

            await database.write(both)
            begun.set()

    asyncio.run(write())


async def test_a_copy_is_consistent_while_another_process_writes(
    database: Database, tmp_path: Path
) -> None:
    spawn = multiprocessing.get_context("spawn")
    begun = spawn.Event()
    writer = spawn.Process(target=_write_pairs, args=(database.path, begun), daemon=True)
    writer.start()
    try:
        assert await asyncio.to_thread(begun.wait, 20)
        copies = [tmp_path / f"copy{n}.db" for n in range(5)]
        for copy in copies:
            await asyncio.to_thread(back_up, database, copy)
        assert writer.is_alive()
    finally:
        writer.kill()
        await asyncio.to_thread(writer.join)
        writer.close()
    seen = [await _facts(copy) for copy in copies]
    assert all(one == other is not None for _, one, other in seen)
    assert len({one for _, one, _ in seen}) > 1  # it did write meanwhile


async def test_nothing_is_overwritten(database: Database, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    target.write_text("mine")
    with pytest.raises(BackupError, match="overwrites nothing"):
        back_up(database, target)
    assert target.read_text() == "mine"
    link = tmp_path / "link.db"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(BackupError, match="overwrites nothing"):
        back_up(database, link)


async def test_a_backup_under_way_is_not_disturbed(database: Database, tmp_path: Path) -> None:
    draft = tmp_path / ".copy.db.new"
    draft.write_text("half")
    with pytest.raises(BackupError, match="another backup is under way"):
        back_up(database, tmp_path / "copy.db")
    assert draft.read_text() == "half"


def test_without_a_database_there_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="There is no database"):
        back_up(Database(tmp_path / "none.db"), tmp_path / "copy.db")
    assert [*tmp_path.iterdir()] == []


async def test_a_folder_that_is_missing_is_said(database: Database, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match=r"cannot be written \(No such file"):
        back_up(database, tmp_path / "absent" / "copy.db")


async def test_damage_is_found_and_leaves_no_copy(tmp_path: Path) -> None:
    path = tmp_path / "porter.db"
    database = Database(path)
    database.open()
    now = datetime(2026, 11, 24, tzinfo=UTC)
    for number in range(300):
        await database.write(lambda c, n=number: facts.note(c, f"{n} {now}", "x" * 500))
    await database.close()
    page = 4096
    with path.open("r+b") as stream:
        stream.seek(-3 * page, 2)
        stream.write(b"\xaa" * 2 * page)
    with pytest.raises(BackupError, match="cannot be copied"):
        back_up(Database(path), tmp_path / "copy.db")
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == []


def test_what_is_no_database_is_said(tmp_path: Path) -> None:
    path = tmp_path / "porter.db"
    path.write_text("not a database at all, " * 300)
    with pytest.raises(BackupError, match="not a database"):
        back_up(Database(path), tmp_path / "copy.db")
    assert [each.name for each in tmp_path.iterdir()] == ["porter.db"]
