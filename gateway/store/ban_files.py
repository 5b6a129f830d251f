"""The ban files: three text files that people and programs edit, in force within a second.

What was appended is read alone, once it is sure that nothing before it changed; after any other
change the file is read anew. A line that cannot be read is reported and stays where it is. Writers
lock the folder, so that two of them lose nothing.
"""

import asyncio
import fcntl
import hashlib
import os
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO

from gateway.rules.bans import Ban, BanBook, Kind, format_line, parse_line

FILES = {Kind.IP: "ips.txt", Kind.EMAIL: "emails.txt", Kind.NAME: "usernames.txt"}
LOOK_EVERY = 0.5  # seconds between two looks at the files
_MOST_FAULTS = 100  # kept and told of one file
_SETTLED = 100_000_000  # nanoseconds; file systems tell times apart by some milliseconds only

Report = Callable[[list[str]], Awaitable[None]]
_Signature = tuple[int, int, int]  # inode, size, mtime
_ABSENT = (0, 0, 0)


@dataclass
class _Page:
    """How far one file was read, and how it looked then."""

    signature: _Signature | None = None  # None: look again, whatever is there
    unfinished: _Signature | None = None  # when its last line was left for the next look
    trouble: str = ""  # why it cannot be read now
    length: int = 0  # bytes that were read
    lines: int = 0
    digest: Any = field(default_factory=hashlib.blake2b)  # of those bytes
    is_whole: bool = True  # they end with a line break, so that what follows is a new line
    faults: list[str] = field(default_factory=list)


class BanFiles:
    """The files of one folder and the book made of them. `load` it, then `watch` it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book = BanBook()
        self._pages = {kind: _Page() for kind in Kind}
        self._turn = threading.RLock()  # for one thread at a time to change the book and the pages

    @property
    def faults(self) -> list[str]:
        """What cannot be read, files or lines: one sentence each, with file and number."""
        found = []
        for page in self._pages.values():
            found += [page.trouble] if page.trouble else []
            found += page.faults
        return found

    def path(self, kind: Kind) -> Path:
        """The file of one kind."""
        return self.folder / FILES[kind]

    def load(self) -> None:
        """Read all files; a missing file is an empty one. Raises OSError when one is unreadable."""
        for kind in Kind:
            self._take_over(kind, patient=False)

    async def watch(self, report: Report) -> None:
        """Keep the book true to the files until cancelled; `report` hears of each fault once."""
        told: set[str] = set()
        while True:
            await self.refresh()
            faults = self.faults
            fresh = [fault for fault in faults if fault not in told]
            told = set(faults)
            if fresh:
                await report(fresh)
            await asyncio.sleep(LOOK_EVERY)

    async def refresh(self) -> None:
        """Take over what changed in the files.

        A file that cannot be read is a fault, and what was read of it before stays in force.
        """
        for kind in Kind:
            try:
                if self._signature(kind) != self._pages[kind].signature:
                    await asyncio.to_thread(self._take_over, kind)
                self._pages[kind].trouble = ""
            except OSError as error:
                trouble = f"{self.path(kind)}: it cannot be read ({error.strerror or error})"
                self._pages[kind].trouble = trouble
        if self.book.is_crowded:
            await asyncio.to_thread(self.book.compact)

    async def add(self, bans: Sequence[Ban]) -> list[Ban]:
        """Append bans and put them in force; returns those that were new. Raises OSError.

        A value that is banned already, and for as long, is left as it stands.
        """
        return await asyncio.to_thread(self._add, bans)

    async def remove(self, kind: Kind, value: str) -> list[Ban]:
        """Take a canonical value out of its file and out of force; returns its lines.

        Raises OSError.
        """
        return await asyncio.to_thread(self._remove, kind, value)

    async def drop_expired(self, now: datetime) -> list[Ban]:
        """Take the bans whose time is over out of the files; returns them. Raises OSError."""
        gone = []
        for kind in dict.fromkeys(kind for kind, _ in self.book.expired(now)):
            gone += await asyncio.to_thread(self._drop_expired, kind, now)
        return gone

    async def search(
        self, kind: Kind | None = None, text: str = "", most: int | None = None
    ) -> list[Ban]:
        """The bans whose line contains `text`, in the order of the files. Raises OSError.

        `most` ends the search when so many were found.
        """
        return await asyncio.to_thread(lambda: [*islice(self._search(kind, text.casefold()), most)])

    def _search(self, kind: Kind | None, text: str) -> Iterator[Ban]:
        for each in Kind if kind is None else (kind,):
            for line in self._lines(each):
                ban = (
                    _read(each, line) if text in line.decode(errors="replace").casefold() else None
                )
                if ban is not None:
                    yield ban

    def _signature(self, kind: Kind) -> _Signature:
        try:
            return _signature(self.path(kind).stat())
        except FileNotFoundError:
            return _ABSENT

    def _take_over(self, kind: Kind, patient: bool = True) -> None:
        """Read what is new in one file. `patient`: an unfinished last line may wait for its end."""
        with self._turn:
            try:
                stream = self.path(kind).open("rb")
            except FileNotFoundError:
                self.book.adopt(kind, BanBook())
                self._pages[kind] = _Page(_ABSENT)
                return
            with stream:
                self._read_on(kind, stream, patient)

    def _read_on(self, kind: Kind, stream: BinaryIO, patient: bool) -> None:
        signature, page = _signature(os.fstat(stream.fileno())), self._pages[kind]
        settled = not patient or page.unfinished == signature
        appended = page.length > 0 and page.is_whole and _begins_like(stream, page)
        book, new = BanBook(), _Page()
        if appended:
            book = self.book
            new = _Page(None, None, "", page.length, page.lines, page.digest.copy())
            new.faults = [*page.faults]
        if abs(time.time_ns() - signature[2]) > _SETTLED:
            new.signature = signature
        stream.seek(new.length)
        for line in stream:
            new.is_whole = line.endswith(b"\n")
            if not new.is_whole and not settled:
                # Somebody may be writing it just now: the next look takes it, if it stays so.
                new.signature, new.unfinished, new.is_whole = None, signature, True
                break
            new.length += len(line)
            new.lines += 1
            new.digest.update(line)
            self._enter(book, kind, line, new)
        if not appended:
            book.compact()
            self.book.adopt(kind, book)
        self._pages[kind] = new

    def _enter(self, book: BanBook, kind: Kind, line: bytes, page: _Page) -> None:
        try:
            ban = _parse(kind, line)
        except ValueError as error:
            what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            if len(page.faults) < _MOST_FAULTS:
                page.faults.append(f"{self.path(kind)}, line {page.lines}: {what}")
        else:
            if ban is not None:
                book.add(ban)

    def _add(self, bans: Sequence[Ban]) -> list[Ban]:
        new: list[Ban] = []
        with self._turn, _alone_in(self.folder):
            for kind in dict.fromkeys(ban.kind for ban in bans):
                self._catch_up(kind)
                batch, fresh = BanBook(), []
                for ban in bans:
                    if ban.kind is kind and not self.book.covers(ban) and not batch.covers(ban):
                        batch.add(ban)
                        fresh.append(ban)
                if fresh:
                    self._append(kind, fresh)
                    new += fresh
        return new

    def _append(self, kind: Kind, bans: Sequence[Ban]) -> None:
        page, path = self._pages[kind], self.path(kind)
        text = "".join(f"{format_line(ban)}\n" for ban in bans).encode()
        if not page.is_whole:
            text = b"\n" + text
        with path.open("ab", buffering=0) as stream:
            start = stream.seek(0, os.SEEK_END)
            try:
                _write_all(stream, text)
                os.fsync(stream.fileno())
                if not start:
                    _sync_folder(path.parent)
            except OSError:
                with suppress(OSError):
                    stream.truncate(start)  # half a line could be another ban
                raise
        for ban in bans:
            self.book.add(ban)
        # Our own lines need not be read again; the signature tells if they are not the last.
        page.length += len(text)
        page.lines += len(bans)
        page.digest.update(text)
        page.is_whole = True
        signature = self._signature(kind)
        if signature[1] == page.length:
            page.signature = signature

    def _remove(self, kind: Kind, value: str) -> list[Ban]:
        with self._turn, _alone_in(self.folder):
            self._catch_up(kind)
            if not self.book.holds(kind, value):
                return []
            return self._rewrite(kind, lambda ban: ban.value == value)

    def _drop_expired(self, kind: Kind, now: datetime) -> list[Ban]:
        with self._turn, _alone_in(self.folder):
            return self._rewrite(kind, lambda ban: not ban.in_force(now))

    def _catch_up(self, kind: Kind) -> None:
        if self._signature(kind) != self._pages[kind].signature:
            self._take_over(kind, patient=False)

    def _rewrite(self, kind: Kind, goes: Callable[[Ban], bool]) -> list[Ban]:
        """Write the file anew without the bans that `goes` picks; all else stays as it is."""
        path = self.path(kind).resolve()
        temporary = path.with_name(f".{path.name}.new")
        before, gone = None, list[Ban]()
        try:
            # And once more if somebody who takes no lock changed it meanwhile.
            while before != self._signature(kind) != _ABSENT:
                before = self._signature(kind)
                gone = _copy_without(kind, goes, path, temporary)
            if gone:
                temporary.replace(path)
                _sync_folder(path.parent)
                self._take_over(kind, patient=False)
        finally:
            temporary.unlink(missing_ok=True)
        return gone

    def _lines(self, kind: Kind) -> Iterator[bytes]:
        try:
            with self.path(kind).open("rb") as stream:
                yield from stream
        except FileNotFoundError:
            return


def _signature(status: os.stat_result) -> _Signature:
    return status.st_ino, status.st_size, status.st_mtime_ns


def _parse(kind: Kind, line: bytes) -> Ban | None:
    return parse_line(kind, line.decode().removeprefix("\ufeff"))


def _read(kind: Kind, line: bytes) -> Ban | None:
    try:
        return _parse(kind, line)
    except ValueError:
        return None


def _copy_without(kind: Kind, goes: Callable[[Ban], bool], path: Path, copy: Path) -> list[Ban]:
    """Copy a file but for the bans that `goes` picks; returns these."""
    gone = []
    with path.open("rb") as old, copy.open("wb") as new:
        status = os.fstat(old.fileno())
        with suppress(PermissionError):  # only root may give a file to its owner
            os.fchown(new.fileno(), status.st_uid, status.st_gid)
        os.fchmod(new.fileno(), status.st_mode & 0o777)
        for line in old:
            ban = _read(kind, line)
            if ban is not None and goes(ban):
                gone.append(ban)
            else:
                new.write(line)
        new.flush()
        os.fsync(new.fileno())
    return gone


def _begins_like(stream: BinaryIO, page: _Page) -> bool:
    """Whether the file still begins with the very bytes that were read."""
    digest, left = hashlib.blake2b(), page.length
    while left:
        block = stream.read(min(left, 1 << 20))
        if not block:
            return False
        digest.update(block)
        left -= len(block)
    return bool(digest.digest() == page.digest.digest())


def _write_all(stream: Any, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[stream.write(view) :]


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder last."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock against other processes."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
