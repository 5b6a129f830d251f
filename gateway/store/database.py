"""The database: one writer thread with group commit, and a few readers.

Every unit of work handed to `write` runs in a savepoint of its own; all units that wait at the
same moment share one durable commit. A caller resumes only after that commit.
"""

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from gateway.folder import alone_in

T = TypeVar("T")

_BATCH = 64  # units in one commit: bounds what a crash can take back, and each caller's wait
_SMALL = 32 * 2**20  # bytes: written anew in a third of a second
_BUSY = 10  # seconds that a writer waits for another process

_Unit = tuple[Callable[[Connection], Any], asyncio.Future[Any], asyncio.AbstractEventLoop]


class Database:
    """A SQLite file in WAL mode with `synchronous=FULL`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine = create_engine(
            f"sqlite:///{path}",
            hide_parameters=True,  # an error is logged and told: no token may stand in it
            connect_args={"timeout": _BUSY, "check_same_thread": False, "isolation_level": None},
        )
        event.listen(self._engine, "connect", _prepare)
        self._queue: queue.SimpleQueue[_Unit | None] = queue.SimpleQueue()
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="reader")
        self._writer = threading.Thread(target=self._drain, name="writer", daemon=True)
        self._closed = False

    def open(self) -> None:
        """Bring the schema up to date and start the writer. Raises OSError or SQLAlchemyError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.path.touch(mode=0o600)
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        config.set_main_option("path_separator", "os")
        # Two processes that start at once must not both migrate, and SQLite waits for nobody while
        # a new file becomes a WAL one.
        with alone_in(self.path.parent), self._engine.connect() as connection:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            config.attributes["connection"] = connection
            try:
                command.upgrade(config, "head")
            except CommandError as error:
                raise SQLAlchemyError(f"a newer version of Porter wrote it: {error}") from error
            connection.commit()
        self._writer.start()

    async def write(self, work: Callable[[Connection], T]) -> T:
        """Run `work` in a transaction; returns after the durable commit.

        What `work` raises reaches the caller and undoes that unit alone; when the commit itself
        fails, every unit in it raises sqlalchemy.exc.DBAPIError and nothing of them is kept.
        """
        if self._closed:
            raise RuntimeError("the database is closed")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._queue.put((work, done, loop))
        # A caller that is cancelled leaves its unit in the queue: it may be half-way committed.
        return await asyncio.shield(done)

    async def read(self, work: Callable[[Connection], T]) -> T:
        """Run `work` on a snapshot, beside the writer."""

        def snapshot() -> T:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN")
                result = work(connection)
                connection.rollback()
                return result

        return await asyncio.get_running_loop().run_in_executor(self._readers, snapshot)

    async def close(self) -> None:
        """Finish what was handed in, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        if self._writer.is_alive():
            self._queue.put(None)
            await asyncio.to_thread(self._writer.join)
        self._readers.shutdown()
        self._engine.dispose()

    async def scrub(self, *values: str, anew: bool = False) -> bool:
        """Let what was deleted stand in the log beside the file no more; False when somebody who
        reads an older state hindered it.

        Of a row that once moved, SQLite may leave a copy in the gap of a page. So the file is
        written anew when it is small, or one of the `values` is found in it, or `anew` wants it:
        that takes a second for each 100 MB, and nobody writes meanwhile. Raises SQLAlchemyError and
        OSError.
        """

        def empty_log(connection: Connection) -> bool:
            done = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
            return not done[0]  # busy

        def scrub() -> bool:
            with self._engine.connect() as connection:
                is_empty = empty_log(connection)
                is_wanted = anew or self.path.stat().st_size <= _SMALL
                if is_wanted or any(holds(self.path, value.encode()) for value in values):
                    connection.exec_driver_sql("VACUUM")
                    is_empty = empty_log(connection)
                return is_empty

        return await asyncio.get_running_loop().run_in_executor(self._readers, scrub)

    def backup(self, target: Path) -> None:
        """Copy a consistent snapshot to `target`, also while other processes write.

        Raises SQLAlchemyError, also when the finished copy is found to be damaged.
        """
        source = sqlite3.connect(self.path)
        copy = sqlite3.connect(target)
        try:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE")  # whole in one file, without a log beside it
            found = copy.execute("PRAGMA integrity_check(1)").fetchone()[0]
        except sqlite3.Error as error:
            raise SQLAlchemyError(str(error)) from error
        finally:
            copy.close()
            source.close()
        if found != "ok":
            raise SQLAlchemyError(f"the copy is damaged: {found}")

    def _drain(self) -> None:
        while True:
            batch = [self._queue.get()]
            while len(batch) < _BATCH and batch[-1] is not None:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            units = [unit for unit in batch if unit is not None]
            if units:
                self._commit(units)
            if batch[-1] is None:
                return

    def _commit(self, units: list[_Unit]) -> None:
        outcomes: list[tuple[_Unit, Any, BaseException | None]] = []
        try:
            with self._engine.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
                # Savepoints go straight to the driver: there are two for each unit.
                driver: Any = connection.connection.dbapi_connection
                for unit in units:
                    driver.execute("SAVEPOINT unit")
                    try:
                        result = unit[0](connection)
                    except Exception as error:
                        driver.execute("ROLLBACK TO unit")
                        outcomes.append((unit, None, error))
                    else:
                        outcomes.append((unit, result, None))
                    driver.execute("RELEASE unit")
                connection.commit()
        except Exception as error:
            outcomes = [(unit, None, error) for unit in units]
        by_loop: dict[asyncio.AbstractEventLoop, list[tuple[_Unit, Any, BaseException | None]]] = {}
        for outcome in outcomes:
            by_loop.setdefault(outcome[0][2], []).append(outcome)
        for loop, theirs in by_loop.items():
            # A loop that is gone has nobody left to tell.
            if not loop.is_closed():
                loop.call_soon_threadsafe(_tell, theirs)


def holds(path: Path, value: bytes) -> bool:
    """Whether these bytes stand anywhere in a file, in capitals or not. Raises OSError."""
    value, rest = value.lower(), b""
    with path.open("rb") as stream:
        while part := stream.read(1 << 20):
            if value in (rest + part).lower():
                return True
            rest = part[1 - len(value) :] if len(value) > 1 else b""
    return False


def complaint(error: SQLAlchemyError) -> str:
    """What the database complains of: one line, without any value of a row."""
    return " ".join(str(getattr(error, "orig", None) or error).split())


def _prepare(connection: sqlite3.Connection, record: object) -> None:
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten; with `fast` a tenth of it stayed on free pages.
    connection.execute("PRAGMA secure_delete=ON")


def _tell(outcomes: list[tuple[_Unit, Any, BaseException | None]]) -> None:
    for (_, done, _), result, error in outcomes:
        if done.cancelled():
            continue
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)
