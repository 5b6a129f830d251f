"""The token file, read by somebody who never looks away."""

import asyncio
import multiprocessing
import os
import threading
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


async def test_two_thousand_rotations_under_a_readers_eyes(path: Path) -> None:
    file = TokenFile(path)
    await file.issue(Token("t0x"))
    wrong: list[bytes] = []
    reads = 0
    seen: set[bytes] = set()
    over = threading.Event()

    def watch() -> None:
        nonlocal reads
        while not over.is_set():
            content = path.read_bytes()
            reads += 1
            lines = content.split(b"\n")
            whole = all(line[:1] == b"t" and line[-1:] == b"x" for line in lines[:-1])
            if not content or lines[-1] != b"" or not whole:
                wrong.append(content)
            seen.add(content)

    reader = threading.Thread(target=watch)
    reader.start()
    try:
        for n in range(2000):
            await file.issue(Token(f"t{n + 1}x"), instead_of=[f"t{n}x"])
    finally:
        over.set()
        reader.join()
    assert wrong == []
    assert reads > 1000 and len(seen) > 100  # it did look, and did see them change
    assert file.values() == ("t2000x",)


def _issue_many(path: Path, name: str) -> None:
    async def issue() -> None:
        for n in range(50):
            await TokenFile(path).issue(Token(f"{name}{n}"))

    asyncio.run(issue())


async def test_two_processes_lose_nothing(path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    writers = [spawn.Process(target=_issue_many, args=(path, name)) for name in ("a", "b", "c")]
    for writer in writers:
        writer.start()
    for writer in writers:
        await asyncio.to_thread(writer.join)
        assert writer.exitcode == 0
        writer.close()
    assert len(set(TokenFile(path).values())) == 150


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
