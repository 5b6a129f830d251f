"""A disk of a few megabytes that a test fills: a tmpfs in a mount namespace of its own.

Whoever may have a user namespace, or is root, can have one.
"""

import asyncio
import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.journeys.conftest import LIMIT

_SLEEP = "exec sleep 600"
_ASK = (
    "import json, sqlite3, sys; connection = sqlite3.connect(sys.argv[1], timeout=10);"
    " print(json.dumps(connection.execute(sys.argv[2], sys.argv[3:]).fetchall()))"
)


class NoDisk(Exception):
    """This machine lets us mount nothing."""


class SmallDisk:
    """Mounted at `place`, which exists, and seen only from within the namespace."""

    def __init__(self, place: Path, megabytes: int) -> None:
        self._place, self._size = place, megabytes
        self._holder: asyncio.subprocess.Process | None = None
        self._is_root = os.geteuid() == 0

    @property
    def within(self) -> tuple[str, ...]:
        """The command that becomes a process which sees the disk."""
        assert self._holder is not None
        users = () if self._is_root else ("-U", "--preserve-credentials")
        return ("nsenter", "-t", str(self._holder.pid), "-m", *users, "--wd=.")

    @property
    def path(self) -> Path:
        """The disk as it is seen from outside."""
        assert self._holder is not None
        return Path(f"/proc/{self._holder.pid}/root{self._place}")

    async def mount(self) -> None:
        """Raises NoDisk."""
        if shutil.which("unshare") is None or shutil.which("nsenter") is None:
            raise NoDisk("there is no unshare or nsenter")
        mount = f"mount -t tmpfs -o size={self._size}m,mode=700 none '{self._place}'"
        self._holder = await asyncio.create_subprocess_exec(
            *("unshare", "-m" if self._is_root else "-Urm", "sh", "-c"),
            f"{mount} && echo mounted && {_SLEEP}",
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        assert self._holder.stdout is not None
        async with asyncio.timeout(LIMIT):
            if await self._holder.stdout.readline() != b"mounted\n":
                raise NoDisk("neither root nor a user namespace may mount here")

    def fill(self) -> None:
        """Leave not a byte."""
        with (self.path / "ballast").open("ab", buffering=0) as stream:
            size = 1 << 16
            while size:
                try:
                    stream.write(bytes(size))
                except OSError as error:
                    assert error.errno == errno.ENOSPC
                    size >>= 1

    def empty(self) -> None:
        (self.path / "ballast").unlink(missing_ok=True)

    def rows(self, database: Path, query: str, *values: str) -> list[Any]:
        """What stands in a database on the disk: SQLite finds it only from within."""
        ask = (*self.within, sys.executable, "-c", _ASK, str(database), query, *values)
        said = subprocess.run(ask, check=True, capture_output=True, timeout=LIMIT).stdout
        return [*map(tuple, json.loads(said))]

    async def unmount(self) -> None:
        if self._holder is not None and self._holder.returncode is None:
            self._holder.kill()
            await self._holder.wait()
