"""The ban files: three text files that people and programs edit, in force within a second.

A line that cannot be read is reported and stays where it is. Writers lock the folder, so that two
of them lose nothing.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

from gateway.folder import alone_in, sync
from gateway.rules.ban_book import BanBook
from gateway.rules.bans import Ban, Kind, format_line
from gateway.store.ban_page import (
    ABSENT,
    Page,
    copy_without,
    open_list,
    read_line,
    read_on,
    signature,
)

FILES = {Kind.IP: "ips.txt", Kind.EMAIL: "emails.txt", Kind.NAME: "usernames.txt"}
LOOK_EVERY = 0.5  # seconds between two looks at the files

Report = Callable[[list[str]], Awaitable[None]]


class BanFiles:
    """The files of one folder and the book made of them. `load` it, then `watch` it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.book = BanBook()
        self._pages = {kind: Page() for kind in Kind}
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
        """Keep the book true to the files until cancelled.

        `report` hears of all the faults, and of them anew whenever they are others.
        """
        told: list[str] | None = None
        while True:
            await self.refresh()
            faults = self.faults
            if faults != told:
                await report(faults)
                told = faults
            await asyncio.sleep(LOOK_EVERY)

    async def refresh(self) -> None:
        """Take over what changed in the files.

        A file that cannot be read is a fault, and what was read of it before stays in force.
        """
        for kind in Kind:
            try:
                if signature(self.path(kind)) != self._pages[kind].signature:
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

    async def remove(self, bans: Sequence[Ban]) -> list[Ban]:
        """Take exactly these bans out of the files and out of force; returns those that were there.

        Another line on the same value stays. Raises OSError.
        """
        return await asyncio.to_thread(self._remove, bans)

    async def standing(self, values: Iterable[tuple[Kind, str]]) -> list[Ban]:
        """The lines on canonical values, in the order of the files. Raises OSError."""
        return await asyncio.to_thread(self._standing, {*values})

    async def expired(self, now: datetime) -> list[Ban]:
        """The bans whose time is over. Raises OSError."""
        return [ban for ban in await self.standing(self.book.expired(now)) if not ban.in_force(now)]

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
                if text in line.decode(errors="replace").casefold():
                    ban = read_line(each, line)
                    if ban is not None:
                        yield ban

    def _take_over(self, kind: Kind, patient: bool = True) -> None:
        """Read what is new in one file. `patient`: an unfinished last line may wait for its end."""
        path = self.path(kind)
        with self._turn:
            try:
                stream = open_list(path)
            except FileNotFoundError:
                had_lines = self._pages[kind].lines
                gone = [f"{path}: it is gone, and its bans with it"] if had_lines else []
                self.book.adopt(kind, BanBook())
                self._pages[kind] = Page(ABSENT, faults=gone)
                return
            with stream:
                page, book = self._pages[kind], self.book
                new, fresh = read_on(kind, path, stream, page, book, patient=patient)
            if fresh is not None:
                self.book.adopt(kind, fresh)
            self._pages[kind] = new

    def _add(self, bans: Sequence[Ban]) -> list[Ban]:
        new: list[Ban] = []
        with self._turn, alone_in(self.folder):
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
                    sync(path.parent)
            except OSError:
                with suppress(OSError):
                    stream.truncate(start)  # half a line could be another ban
                raise
        for ban in bans:
            self.book.add(ban)
        if not start:
            page.faults.clear()  # they were of the file before
        # Our own lines need not be read again; the signature tells if they are not the last.
        page.follow(text, len(bans))
        seen = signature(path)
        if seen[1] == page.length:
            page.signature = seen

    def _remove(self, bans: Sequence[Ban]) -> list[Ban]:
        gone: list[Ban] = []
        with self._turn, alone_in(self.folder):
            for kind in dict.fromkeys(ban.kind for ban in bans):
                self._catch_up(kind)
                going = [ban for ban in bans if ban.kind is kind]
                if any(self.book.holds(kind, ban.value) for ban in going):
                    gone += self._rewrite(kind, _one_of(going))
        return gone

    def _standing(self, values: set[tuple[Kind, str]]) -> list[Ban]:
        found: list[Ban] = []
        with self._turn:
            for kind in Kind:
                self._catch_up(kind)
                wanted = {value for of, value in values if of is kind}
                if any(self.book.holds(kind, value) for value in wanted):
                    found += (ban for ban in self._search(kind, "") if ban.value in wanted)
        return found

    def _catch_up(self, kind: Kind) -> None:
        if signature(self.path(kind)) != self._pages[kind].signature:
            self._take_over(kind, patient=False)

    def _rewrite(self, kind: Kind, goes: Callable[[Ban], bool]) -> list[Ban]:
        """Write the file anew without the bans that `goes` picks; all else stays as it is."""
        path = self.path(kind).resolve()
        temporary = path.with_name(f".{path.name}.new")
        before, gone = None, list[Ban]()
        try:
            # And once more if somebody who takes no lock changed it meanwhile.
            while before != signature(self.path(kind)) != ABSENT:
                before = signature(self.path(kind))
                gone = copy_without(kind, goes, path, temporary)
            if gone:
                temporary.replace(path)
                sync(path.parent)
                self._take_over(kind, patient=False)
        finally:
            temporary.unlink(missing_ok=True)
        return gone

    def _lines(self, kind: Kind) -> Iterator[bytes]:
        try:
            with open_list(self.path(kind)) as stream:
                yield from stream
        except FileNotFoundError:
            return


def _one_of(bans: Iterable[Ban]) -> Callable[[Ban], bool]:
    """Whether a ban says the same as one of these: its line may be written in another way."""
    lines: dict[str, set[str]] = {}
    for ban in bans:
        lines.setdefault(ban.value, set()).add(format_line(ban))
    return lambda ban: ban.value in lines and format_line(ban) in lines[ban.value]


def _write_all(stream: Any, text: bytes) -> None:
    view = memoryview(text)
    while view:
        view = view[stream.write(view) :]
