"""Servers that read a token file: conduwuit, and any other that does."""

import errno
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.folder import sync
from gateway.homeserver import token_file
from gateway.homeserver.file_server import FileServer
from gateway.homeserver.token_file import TokenFile
from tests.gateway.homeserver.subjects.subject import Ground, Subject, given, names_at, needed
from tests.stand_ins.conduwuit import Conduwuit

_GUARD = "guardthatnobodyknows"


class FileSubject(Subject):
    """What goes wrong is the disk: "lost" when the file is replaced already, "full" before."""

    faults = ("lost", "full")
    done = ("lost",)

    def __init__(self, ground: Ground, url: str, path: Path, title: str) -> None:
        super().__init__(ground.session)
        self.url = url
        self._path = path
        self._monkeypatch = ground.monkeypatch
        self.homeserver = FileServer(TokenFile(path), names_at(ground.session, url), title)

    async def values(self) -> set[str]:
        """What stands in the file."""
        return set(self._path.read_text(encoding="ascii").split())

    def go_wrong(self, fault: str) -> None:
        _fail_once(self._monkeypatch, fault)


def _fail_once(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    real = os.fsync

    def fail_after(folder: Path) -> None:
        monkeypatch.setattr(token_file, "sync", sync)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def fail_before(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", real)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    if fault == "lost":
        monkeypatch.setattr(token_file, "sync", fail_after)
    else:
        monkeypatch.setattr(os, "fsync", fail_before)


@asynccontextmanager
async def open_conduwuit(ground: Ground) -> AsyncIterator[Subject]:
    """The stand-in, or the server at PORTER_TEST_CONDUWUIT that reads the file at ..._FILE."""
    url = given("conduwuit")
    if url is not None:
        yield FileSubject(ground, url, Path(needed("conduwuit", "file")), "conduwuit")
        return
    path = ground.folder / "tokens" / "registration_tokens"
    path.parent.mkdir()
    path.write_text(f"{_GUARD}\n")
    server = Conduwuit(token_file=path)
    await server.start()
    try:
        yield FileSubject(ground, server.url, path, "conduwuit")
    finally:
        await server.stop()
