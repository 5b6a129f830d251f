"""Tokens in a file that the homeserver reads anew at every registration (conduwuit family).

One token a line, never a blank line, never an empty file: some of these servers let everybody in
when the file is empty. The file is replaced whole by a rename, so a reader sees the old or the new
one and nothing between. A container must mount the folder: a mounted file would keep its old inode.
"""

import asyncio
import os
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path

from gateway.folder import alone_in, sync
from gateway.homeserver.homeserver import HomeserverError, Token

_NEW_FILE_MODE = 0o644  # the homeserver runs as another user and must be able to read it


class TokenFile:
    """Such a file. It knows no uses and no expiry: revoke what is over.

    A link to it stays one: the server may know the file by its other name.
    """

    def __init__(self, path: Path) -> None:
        self._path = Path(os.path.realpath(path))

    async def issue(self, token: Token, *, instead_of: Sequence[str] = ()) -> None:
        """Put the token first in the file and take `instead_of` out, in one replacement."""
        if not token.value or not token.value.isascii() or not token.value.isalnum():
            raise HomeserverError("a token for a token file is made of ASCII letters and digits")
        gone = {token.value, *instead_of}

        def change(values: Sequence[str]) -> list[str]:
            return [token.value, *(value for value in values if value not in gone)]

        await asyncio.to_thread(self._replace, change)

    async def revoke(self, value: str) -> None:
        """Take the token out. The last one makes room for one that nobody knows."""

        def change(values: Sequence[str]) -> list[str]:
            return [each for each in values if each != value]

        await asyncio.to_thread(self._replace, change)

    async def holds(self, value: str) -> bool:
        """Whether the token is in force. Raises HomeserverError."""
        return value in await asyncio.to_thread(self.values)

    async def check(self) -> None:
        """Read the file, if there is one, and look whether its folder takes another."""
        await asyncio.to_thread(self._look)

    def _look(self) -> None:
        folder = self._path.parent
        try:
            folder.stat()  # a missing folder; a missing file alone is none
        except OSError as error:
            raise self._fault(error) from error
        self.values()
        if not os.access(folder, os.W_OK | os.X_OK):
            raise HomeserverError(
                f"the token file {self._path} cannot be replaced: its folder is not ours to write"
            )

    def values(self) -> tuple[str, ...]:
        """The tokens in force, newest first; none when there is no file. Raises HomeserverError."""
        try:
            return tuple(self._path.read_text(encoding="ascii").split())
        except FileNotFoundError:
            return ()
        except (OSError, UnicodeDecodeError) as error:
            raise self._fault(error) from error

    def _replace(self, change: Callable[[Sequence[str]], list[str]]) -> None:
        try:
            with alone_in(self._path.parent):
                before = self.values()
                # Against registration for everybody: an empty file opens some of these servers.
                after = change(before) or [secrets.token_hex(24)]
                if tuple(after) != before:
                    self._write("".join(f"{value}\n" for value in after))
        except OSError as error:
            raise self._fault(error) from error

    def _write(self, text: str) -> None:
        temporary = self._path.with_name(f".{self._path.name}.new")
        temporary.unlink(missing_ok=True)  # left by a process that was killed at this place
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        try:
            with os.fdopen(os.open(temporary, flags, 0o600), "w", encoding="ascii") as stream:
                stream.write(text)
                stream.flush()
                self._take_over_rights(stream.fileno())
                os.fsync(stream.fileno())
            temporary.replace(self._path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
        sync(self._path.parent)

    def _take_over_rights(self, new: int) -> None:
        """Mode and, where we may, owner of the file that is about to be replaced."""
        try:
            old = self._path.stat()
        except FileNotFoundError:
            os.fchmod(new, _NEW_FILE_MODE)
            return
        mine = os.fstat(new)
        if (old.st_uid, old.st_gid) != (mine.st_uid, mine.st_gid):
            try:
                os.fchown(new, old.st_uid, old.st_gid)
            except PermissionError:
                os.fchmod(new, _NEW_FILE_MODE)
                return
        os.fchmod(new, stat.S_IMODE(old.st_mode))

    def _fault(self, error: OSError | UnicodeDecodeError) -> HomeserverError:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII text"
        return HomeserverError(f"the token file {self._path} cannot be used ({reason})")
