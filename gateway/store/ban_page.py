"""One ban file as it lies on the disk: how far it was read, what came since, what it says.

What was appended is read alone, once it is sure that nothing before it changed; after any other
change the file is read anew.
"""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind, parse_line

Signature = tuple[int, int, int]  # inode, size, mtime
ABSENT = (0, 0, 0)
_MOST_FAULTS = 100  # kept and told of one file
_LONGEST = 1 << 16  # bytes of a line: more is no ban, and only costs time
_SETTLED = 100_000_000  # nanoseconds; file systems tell times apart by some milliseconds only


@dataclass
class Page:
    """How far one file was read, and how it looked then."""

    signature: Signature | None = None  # None: look again, whatever is there
    unfinished: Signature | None = None  # when its last line was left for the next look
    trouble: str = ""  # why it cannot be read now
    length: int = 0  # bytes that were read
    lines: int = 0
    digest: Any = field(default_factory=hashlib.blake2b)  # of those bytes
    is_whole: bool = True  # they end with a line break, so that what follows is a new line
    faults: list[str] = field(default_factory=list)

    def follow(self, text: bytes, lines: int) -> None:
        """Count `text`, which now stands at the end of the file, as read."""
        self.length += len(text)
        self.lines += lines
        self.digest.update(text)
        self.is_whole = text.endswith(b"\n")

    def is_beginning_of(self, stream: BinaryIO) -> bool:
        """Whether the file still begins with the very bytes that were read."""
        digest, left = hashlib.blake2b(), self.length
        while left:
            block = stream.read(min(left, 1 << 20))
            if not block:
                return False
            digest.update(block)
            left -= len(block)
        return bool(digest.digest() == self.digest.digest())

    def next(self) -> "Page":
        """A page that begins where this one ends."""
        return Page(
            length=self.length, lines=self.lines, digest=self.digest.copy(), faults=[*self.faults]
        )


def signature(path: Path) -> Signature:
    """By what a change of the file shows. Raises OSError."""
    try:
        return _signature(path.stat())
    except FileNotFoundError:
        return ABSENT


def open_list(path: Path) -> BinaryIO:
    """Open a ban file, and nothing that could keep us waiting. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is no file of text", str(path))


def read_on(
    kind: Kind, path: Path, stream: BinaryIO, page: Page, book: BanBook, *, patient: bool
) -> tuple[Page, BanBook | None]:
    """Read what came since `page` into `book`; or everything into a new book, if more changed.

    Returns the page as it is now, and the new book if one was made. `patient`: an unfinished last
    line may wait for its end.
    """
    seen = _signature(os.fstat(stream.fileno()))
    settled = not patient or page.unfinished == seen
    appended = page.length > 0 and page.is_whole and page.is_beginning_of(stream)
    new = page.next() if appended else Page()
    fresh = None if appended else BanBook()
    if abs(time.time_ns() - seen[2]) > _SETTLED:
        new.signature = seen
    stream.seek(new.length)
    for line in stream:
        if not line.endswith(b"\n") and not settled:
            # Somebody may be writing it just now: the next look takes it, if it stays so.
            new.signature, new.unfinished = None, seen
            break
        new.follow(line, 1)
        _enter(book if fresh is None else fresh, kind, path, line, new)
    if fresh is not None:
        fresh.compact()
    return new, fresh


def _enter(book: BanBook, kind: Kind, path: Path, line: bytes, page: Page) -> None:
    try:
        ban = _parse(kind, line)
    except ValueError as error:
        what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
        if len(page.faults) < _MOST_FAULTS:
            page.faults.append(f"{path}, line {page.lines}: {what}")
    else:
        if ban is not None:
            book.add(ban)


def read_line(kind: Kind, line: bytes) -> Ban | None:
    """The ban of one line; None for a comment, and for a line that cannot be read."""
    try:
        return _parse(kind, line)
    except ValueError:
        return None


def copy_without(kind: Kind, goes: Callable[[Ban], bool], path: Path, copy: Path) -> list[Ban]:
    """Copy a file but for the bans that `goes` picks; returns these. Raises OSError."""
    gone = []
    with open_list(path) as old, copy.open("wb") as new:
        status = os.fstat(old.fileno())
        with suppress(PermissionError):  # only root may give a file to its owner
            os.fchown(new.fileno(), status.st_uid, status.st_gid)
        os.fchmod(new.fileno(), status.st_mode & 0o777)
        for line in old:
            ban = read_line(kind, line)
            if ban is not None and goes(ban):
                gone.append(ban)
            else:
                new.write(line)
        new.flush()
        os.fsync(new.fileno())
    return gone


def _signature(status: os.stat_result) -> Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _parse(kind: Kind, line: bytes) -> Ban | None:
    if len(line) > _LONGEST:
        raise ValueError(f"a line has at most {_LONGEST} bytes")
    return parse_line(kind, line.decode().removeprefix("\ufeff"))
