"""The token file, read by somebody who never looks away."""

import asyncio
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.homeserver.homeserver import HomeserverError, Token
from gateway.homeserver.token_file import TokenFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "registration_token"


async def test_tokens_come_one_a_line_newest_first(path: Path) -> None:
    file = TokenFile(path)
    assert file.values() == ()
    await file.issue(Token("first"))
    await file.issue(Token("second"))
    assert path.read_bytes() == b"second\nfirst\n"
    await file.issue(Token("third"), instead_of=["first", "unheard"])
    assert file.values() == ("third", "second")
    assert sorted(each.name for each in path.parent.iterdir()) == [path.name]


async def test_repeating_a_wish_changes_nothing(path: Path) -> None:
    file = TokenFile(path)
    await file.issue(Token("one"))
    await file.issue(Token("two"), instead_of=["one"])
    before = path.stat()
    await file.issue(Token("two"), instead_of=["one"])
    await file.revoke("one")
    assert path.read_bytes() == b"two\n"
    assert path.stat().st_ino == before.st_ino


async def test_the_last_token_makes_room_for_one_nobody_knows(path: Path) -> None:
    file = TokenFile(path)
    await file.issue(Token("last"))
    await file.revoke("last")
    (unknown,) = file.values()
    assert unknown != "last" and len(unknown) == 48
    await file.revoke("last")
    assert file.values() == (unknown,)


_SOURCES = Path(__file__).parents[3]
_ROTATIONS, _KILLS = 10_000, 10

_WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.homeserver.homeserver import Token
from gateway.homeserver.token_file import TokenFile

async def rotate(file: TokenFile, last: int) -> None:
    at = int(file.values()[0].strip("tx"))
    while at < last:
        await file.issue(Token(f"t{at + 1}x"), instead_of=[f"t{at}x"])
        at += 1

asyncio.run(rotate(TokenFile(Path(sys.argv[1])), int(sys.argv[2])))
"""

_READER = """
import json, os, sys

reads, seen, wrong = 0, set(), []
while os.path.exists(sys.argv[2]):
    with open(sys.argv[1], "rb", buffering=0) as file:
        content = file.read()
    reads += 1
    if content not in seen:
        seen.add(content)
        *lines, rest = content.split(b"\\n")
        whole = all(line[:1] == b"t" and line[-1:] == b"x" for line in lines)
        if not lines or rest or not whole:
            wrong.append(content.decode("ascii", "replace"))
print(json.dumps([reads, len(seen), wrong]))
"""


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: what a reader sees there is the same, and ten thousand
    times nothing is waited for on its way to a disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield Path(folder)


def _start(script: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    return subprocess.Popen(command, cwd=_SOURCES, stdout=subprocess.PIPE)


def test_ten_thousand_rotations_and_nine_kills_under_a_readers_eyes(quick_folder: Path) -> None:
    """Reader and writer are processes of their own; the writer is killed wherever it is."""
    path, running = quick_folder / "registration_tokens", quick_folder / "running"
    path.write_text("t0x\n")
    running.touch()
    file = TokenFile(path)
    with _start(_READER, path, running) as reader:
        try:
            for kill in range(1, _KILLS + 1):
                with _start(_WRITER, path, _ROTATIONS) as writer:
                    # The last one is let finish.
                    goal = kill * _ROTATIONS // _KILLS
                    while writer.poll() is None and int(file.values()[0].strip("tx")) < goal:
                        time.sleep(0.001)
                    if kill < _KILLS:
                        writer.kill()
                    writer.wait()
                    assert writer.returncode == (-signal.SIGKILL if kill < _KILLS else 0)
        finally:
            running.unlink()
        assert reader.stdout is not None
        reads, seen, wrong = json.loads(reader.stdout.read())
    assert wrong == []
    assert file.values() == (f"t{_ROTATIONS}x",)
    assert reads > _ROTATIONS and seen > 1000  # it did look, and did see them change


def _issue_and_revoke(path: Path, name: str) -> None:
    async def work(number: int) -> None:
        file = TokenFile(path)
        await file.issue(Token(f"{name}{number}"))
        if number % 2:
            await file.revoke(f"{name}{number}")

    async def all_of_it() -> None:
        await asyncio.gather(*map(work, range(100)))

    asyncio.run(all_of_it())


async def test_processes_that_issue_and_revoke_side_by_side_lose_no_line(path: Path) -> None:
    await TokenFile(path).issue(Token("kept"))
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_issue_and_revoke, args=(path, name)) for name in ("a", "b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join)
        assert writer.exitcode == 0
        writer.close()
    left = {f"{name}{number}" for name in ("a", "b") for number in range(0, 100, 2)}
    assert sorted(TokenFile(path).values()) == sorted({"kept", *left})


async def test_a_thousand_open_tokens_are_no_burden(path: Path) -> None:
    path.write_text("".join(f"open{number:024}\n" for number in range(1000)))
    file = TokenFile(path)
    async with asyncio.timeout(5):  # it takes a tenth of a second
        for number in range(20):
            await file.issue(Token(f"more{number}"))
            await file.revoke(f"open{number:024}")
    assert len(file.values()) == 1000
    assert path.read_bytes().count(b"\n") == 1000


async def test_the_file_keeps_its_rights(path: Path) -> None:
    file = TokenFile(path)
    await file.issue(Token("one"))
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o640)
    await file.issue(Token("two"))
    assert path.stat().st_mode & 0o777 == 0o640
    if os.geteuid() == 0:
        os.chown(path, 1234, 2345)
        await file.issue(Token("three"))
        assert (path.stat().st_uid, path.stat().st_gid) == (1234, 2345)


async def test_a_link_leads_on_to_the_file_that_the_server_reads(
    path: Path, tmp_path: Path
) -> None:
    link = tmp_path / "elsewhere" / "link"
    link.parent.mkdir()
    link.symlink_to(path)
    await TokenFile(link).issue(Token("one"))
    assert link.is_symlink() and path.read_text() == link.read_text() == "one\n"


async def test_what_a_crash_left_behind_is_no_hindrance(path: Path) -> None:
    path.with_name(f".{path.name}.new").write_text("half a tok")
    await TokenFile(path).issue(Token("whole"))
    assert path.read_bytes() == b"whole\n"


@pytest.mark.parametrize("value", ["", " ", "a b", "a\nb", "tökén", "-"])
async def test_only_letters_and_digits_get_in(path: Path, value: str) -> None:
    with pytest.raises(HomeserverError, match="letters and digits"):
        await TokenFile(path).issue(Token(value))
    assert not path.exists()


async def test_a_missing_folder_or_an_odd_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(HomeserverError, match="No such file"):
        await TokenFile(tmp_path / "absent" / "token").issue(Token("one"))
    odd = tmp_path / "odd"
    odd.write_bytes(b"\xff\xfe")
    with pytest.raises(HomeserverError, match="not ASCII"):
        await TokenFile(odd).issue(Token("one"))
    assert odd.read_bytes() == b"\xff\xfe"


async def test_a_check_changes_nothing_and_finds_what_would_fail(path: Path) -> None:
    await TokenFile(path).check()
    assert list(path.parent.iterdir()) == []
    await TokenFile(path).issue(Token("one"))
    await TokenFile(path).check()
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(HomeserverError, match="not ASCII"):
        await TokenFile(path).check()
    with pytest.raises(HomeserverError, match="No such file"):
        await TokenFile(path.parent / "absent" / "token").check()
    with pytest.raises(HomeserverError, match="Not a directory"):
        await TokenFile(path / "token").check()


async def test_a_folder_that_takes_no_file_is_found(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Root may write everywhere, so the system's answer is played here.
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(HomeserverError, match="cannot be replaced"):
        await TokenFile(path).check()


def full(descriptor: int) -> None:
    raise OSError(28, "No space left on device")


async def test_a_full_disk_leaves_the_old_tokens_in_force_and_nothing_beside_them(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = TokenFile(path)
    await file.issue(Token("old"))
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(HomeserverError, match="No space left on device"):
            await file.issue(Token("new"), instead_of=["old"])
    assert path.read_bytes() == b"old\n"
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    await file.issue(Token("new"), instead_of=["old"])
    assert path.read_bytes() == b"new\n"
