"""The ban files: three text files that people and programs edit, in force within a second.

What was appended is read alone, once it is sure that nothing before it changed; after any other
change the file is read anew. A line that cannot be read is reported and stays where it is. Writers
lock the folder, so that two of them lose nothing.
"""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from gateway.rules.bans import Ban, BanBook, Kind, format_line, parse_line

FILES = {Kind.IP: "ips.txt", Kind.EMAIL: "emails.txt", Kind.NAME: "usernames.txt"}
LOOK_EVERY = 0.5  # seconds between two looks at the files
_MOST_FAULTS = 100  # kept and told of one file

Report = Callable[[list[str]], Awaitable[None]]
_Signature = tuple[int, int, int] | None  # inode, size, mtime; None: there is no file


@dataclass
class _Page:
    """How far one file was read, and how it looked then."""

    signature: _Signature = None
    unfinished: _Signature = None  # when its last line was left for the next look
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
        self._turn = asyncio.Lock()

    @property
    def faults(self) -> list[str]:
        """The lines that cannot be read: one sentence each, with file and number."""
        return [fault for page in self._pages.values() for fault in page.faults]

    def path(self, kind: Kind) -> Path:
        """The file of one kind."""
        return self.folder / FILES[kind]

    def load(self) -> None:
        """Read all files; a missing file is an empty one. Raises OSError when one is unreadable."""
        for kind in Kind:
            self._take_over(kind, patient=False)

    async def watch(self, report: Report) -> None:
        """Keep the book true to the files until cancelled; `report` hears of each bad line once."""
        told: set[str] = set()
        while True:
            try:
                await self.refresh()
            except OSError as error:
                # What was read stays in force while the disk is away.
                faults = [f"{error.filename}: cannot be read ({error.strerror})"]
            else:
                faults = self.faults
            fresh = [fault for fault in faults if fault not in told]
            told = set(faults)
            if fresh:
                await report(fresh)
            await asyncio.sleep(LOOK_EVERY)

    async def refresh(self) -> None:
        """Take over what changed in the files. Raises OSError when one cannot be read."""
        for kind in Kind:
            if self._signature(kind) != self._pages[kind].signature:
                async with self._turn:
                    await asyncio.to_thread(self._take_over, kind)
        if self.book.is_crowded:
            await asyncio.to_thread(self.book.compact)

    async def add(self, bans: Sequence[Ban]) -> list[Ban]:
        """Append bans and put them in force; returns those that were new. Raises OSError.

        A value that is banned already, and for as long, is left as it stands.
        """
        async with self._turn:
            return await asyncio.to_thread(self._add, bans)

    async def remove(self, kind: Kind, value: str) -> list[Ban]:
        """Take a value out of its file and out of force; returns its lines. Raises OSError."""
        async with self._turn:
            return await asyncio.to_thread(self._rewrite, kind, lambda ban: ban.value == value)

    async def drop_expired(self, now: datetime) -> list[Ban]:
        """Take the bans whose time is over out of the files; returns them. Raises OSError."""
        gone = []
        for kind in {kind for kind, _ in self.book.expired(now)}:
            async with self._turn:
                gone += await asyncio.to_thread(
                    self._rewrite, kind, lambda ban: not ban.in_force(now)
                )
        return gone

    async def search(self, kind: Kind | None = None, text: str = "") -> list[Ban]:
        """The bans whose line contains `text`, in the order of the files. Raises OSError."""
        return await asyncio.to_thread(self._search, kind, text.casefold())

    def _search(self, kind: Kind | None, text: str) -> list[Ban]:
        found = []
        for each in Kind if kind is None else (kind,):
            for line in self._lines(each):
                ban = _read(each, line) if text in line.casefold() else None
                if ban is not None:
                    found.append(ban)
        return found

    def _signature(self, kind: Kind) -> _Signature:
        try:
            status = self.path(kind).stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _take_over(self, kind: Kind, patient: bool = True) -> None:
        """Read what is new in one file. `patient`: an unfinished last line may wait for its end."""
        signature, page = self._signature(kind), self._pages[kind]
        if signature is None:
            self.book.adopt(kind, BanBook())
            self._pages[kind] = _Page()
            return
        settled = not patient or page.unfinished == signature
        with self.path(kind).open("rb") as stream:
            appended = page.length > 0 and page.is_whole and _begins_like(stream, page)
            book, new = BanBook(), _Page(signature)
            if appended:
                book = self.book
                new = _Page(signature, None, page.length, page.lines, page.digest.copy())
                new.faults = [*page.faults]
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
            ban = parse_line(kind, line.decode("utf-8-sig" if page.lines == 1 else "utf-8"))
        except ValueError as error:
            what = "it is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else str(error)
            if len(page.faults) < _MOST_FAULTS:
                page.faults.append(f"{self.path(kind)}, line {page.lines}: {what}")
        else:
            if ban is not None:
                book.add(ban)

    def _add(self, bans: Sequence[Ban]) -> list[Ban]:
        new: list[Ban] = []
        with _alone_in(self.folder) as folder:
            for kind in {ban.kind for ban in bans}:
                if self._signature(kind) != self._pages[kind].signature:
                    self._take_over(kind, patient=False)
                fresh = {b.value: b for b in bans if b.kind is kind and not self.book.covers(b)}
                if fresh:
                    self._append(kind, [*fresh.values()], folder)
                    new += fresh.values()
        return new

    def _append(self, kind: Kind, bans: Sequence[Ban], folder: int) -> None:
        page = self._pages[kind]
        text = "".join(f"{format_line(ban)}\n" for ban in bans).encode()
        if not page.is_whole:
            text = b"\n" + text
        is_new = page.signature is None
        with self.path(kind).open("ab", buffering=0) as stream:
            try:
                _write_all(stream, text)
                os.fsync(stream.fileno())
            except OSError:
                stream.truncate(page.length)  # half a line could be another ban
                raise
        if is_new:
            os.fsync(folder)
        for ban in bans:
            self.book.add(ban)
        # Our own lines need not be read again; the signature tells if they are not the last.
        page.length += len(text)
        page.lines += len(bans)
        page.digest.update(text)
        page.is_whole = True
        signature = self._signature(kind)
        if signature is not None and signature[1] == page.length:
            page.signature = signature

    def _rewrite(self, kind: Kind, goes: Callable[[Ban], bool]) -> list[Ban]:
        """Write the file anew without the bans that `goes` picks; comments and bad lines stay."""
        kept, gone = [], []
        with _alone_in(self.folder) as folder:
            for line in self._lines(kind):
                ban = _read(kind, line)
                if ban is not None and goes(ban):
                    gone.append(ban)
                else:
                    kept.append(line)
            if gone:
                path = self.path(kind)
                temporary = path.with_name(f".{path.name}.new")
                with temporary.open("w", encoding="utf-8", errors="surrogateescape") as stream:
                    os.fchmod(stream.fileno(), path.stat().st_mode & 0o777)
                    stream.writelines(f"{line}\n" for line in kept)
                    stream.flush()
                    os.fsync(stream.fileno())
                temporary.replace(path)
                os.fsync(folder)
                self._take_over(kind, patient=False)
        return gone

    def _lines(self, kind: Kind) -> Iterator[str]:
        try:
            with self.path(kind).open(encoding="utf-8", errors="surrogateescape") as stream:
                for line in stream:
                    yield line.rstrip("\r\n")
        except FileNotFoundError:
            return


def _read(kind: Kind, line: str) -> Ban | None:
    try:
        return parse_line(kind, line.removeprefix("\ufeff"))
    except ValueError:
        return None


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


@contextmanager
def _alone_in(folder: Path) -> Iterator[int]:
    """Hold the folder's lock against other processes; yields its descriptor."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield descriptor
    finally:
        os.close(descriptor)
