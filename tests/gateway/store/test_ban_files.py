"""Ban files: what a person or a program writes there is in force, and nothing that was is lost."""

import asyncio
import fcntl
import os
import resource
import subprocess
import sys
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.rules.addresses import parse_address
from gateway.rules.bans import Ban, Kind
from gateway.rules.networks import plain_address
from gateway.store import ban_files, ban_page
from gateway.store.ban_files import BanFiles

NOW = datetime(2026, 11, 23, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)
ROOT = Path(__file__).parents[3]


def ip(value, **more):
    return Ban(Kind.IP, value, **more)


@pytest.fixture
def ips(tmp_path):
    return tmp_path / "ips.txt"


@pytest.fixture
def files(tmp_path, ips):
    """Three bans and what people write between them."""
    ips.write_text(
        "# Our networks\n\n203.0.113.0/24  # open proxy\n  \n# the others\n2001:db8::1\n"
    )
    (tmp_path / "emails.txt").write_text("@spam.example\n")
    loaded = BanFiles(tmp_path)
    loaded.load()
    return loaded


def in_force(files, kind=Kind.IP):
    """The values of a kind that the book holds, asked of those that tests use."""
    values = {
        Kind.IP: ["203.0.113.0/24", "2001:db8::1", *(f"198.51.100.{n}" for n in range(256))],
        Kind.EMAIL: ["@spam.example", "eve@example.org"],
        Kind.NAME: ["admin", "root"],
    }
    return [value for value in values[kind] if files.book.holds(kind, value)]


async def lift(files, kind, value):
    """Remove all lines on a value."""
    return await files.remove(await files.standing([(kind, value)]))


async def drop_expired(files, now):
    return await files.remove(await files.expired(now))


def append(path, text):
    with path.open("a") as stream:
        stream.write(text)


# Reading


def test_the_files_are_in_force_once_loaded(files):
    assert files.book.networks(plain_address("203.0.113.7"), NOW) == ["203.0.113.0/24"]
    assert files.book.addresses(parse_address("x@a.spam.example"), NOW) == ["@spam.example"]
    assert files.book.names("admin", NOW) == []
    assert files.faults == []


def test_a_missing_file_is_an_empty_one_and_so_is_a_missing_folder(tmp_path):
    files = BanFiles(tmp_path / "nowhere")
    files.load()
    assert len(files.book) == 0
    assert files.faults == []


def test_windows_line_ends_and_byte_order_marks_do_no_harm(tmp_path, ips):
    ips.write_bytes("\ufeff198.51.100.1\r\n\r\n# x\r\n198.51.100.2  # spam\r\n".encode())
    files = BanFiles(tmp_path)
    files.load()
    assert in_force(files) == ["198.51.100.1", "198.51.100.2"]
    assert files.faults == []


def test_a_bad_line_is_told_with_file_and_number_and_the_others_hold(tmp_path, ips):
    ips.write_bytes(b"198.51.100.1\n# x\n198.51.100\n\xff\xfe\n198.51.100.2\n")
    (tmp_path / "usernames.txt").write_text("admin\n(\n")
    files = BanFiles(tmp_path)
    files.load()
    assert in_force(files) == ["198.51.100.1", "198.51.100.2"]
    assert in_force(files, Kind.NAME) == ["admin"]
    first, second, third = files.faults
    assert first.startswith(f"{ips}, line 3: '198.51.100' is no address")
    assert second == f"{ips}, line 4: it is not UTF-8 text"
    assert third.startswith(f"{tmp_path}/usernames.txt, line 2: '(' is no pattern")


def test_a_file_of_nonsense_fills_no_memory(tmp_path, ips):
    ips.write_text("nonsense\n" * 5000 + "198.51.100.1\n")
    files = BanFiles(tmp_path)
    files.load()
    assert len(files.faults) == 100
    assert in_force(files) == ["198.51.100.1"]


# Hand edits


@pytest.mark.parametrize("fresh", ["198.51.100.1\n", "# x\n\n198.51.100.1\n", "198.51.100.1\r\n"])
async def test_an_appended_line_comes_into_force(files, ips, fresh):
    append(ips, fresh)
    await files.refresh()
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1", "198.51.100.1"]


async def test_an_appended_line_is_read_alone(files, ips, monkeypatch):
    read = []

    def parse_line(kind, line):
        read.append(line)
        return original(kind, line)

    original = ban_page.parse_line
    monkeypatch.setattr(ban_page, "parse_line", parse_line)
    append(ips, "198.51.100.1\n198.51.100.2\n")
    await files.refresh()
    await files.add([ip("198.51.100.3")])
    await files.refresh()
    assert read == ["198.51.100.1\n", "198.51.100.2\n"]


async def test_an_edit_in_place_that_makes_the_file_longer_is_noticed(files, ips):
    ips.write_text("198.51.100.1\n" + ips.read_text().replace("2001:db8::1", "2001:db8::2"))
    await files.refresh()
    assert in_force(files) == ["203.0.113.0/24", "198.51.100.1"]
    assert files.book.holds(Kind.IP, "2001:db8::2")


async def test_an_edit_that_makes_the_file_shorter_is_noticed(files, ips):
    ips.write_text(ips.read_text().replace("2001:db8::1\n", ""))
    await files.refresh()
    assert in_force(files) == ["203.0.113.0/24"]


async def test_an_edit_of_the_same_length_is_noticed(files, ips):
    ips.write_text(ips.read_text().replace("2001:db8::1", "2001:db8::2"))
    await files.refresh()
    assert in_force(files) == ["203.0.113.0/24"]


async def test_an_edit_of_the_same_length_at_the_same_moment_is_noticed(tmp_path, ips, monkeypatch):
    """A file system tells two writes within some milliseconds apart by nothing but their bytes."""
    monkeypatch.setattr(ban_page, "_SETTLED", 10**18)
    files = BanFiles(tmp_path)
    for value in ("198.51.100.1", "198.51.100.2", "198.51.100.3"):
        ips.write_text(f"{value}\n")
        os.utime(ips, ns=(10**18, 10**18))
        await files.refresh()
        assert in_force(files) == [value]


async def test_an_editor_that_renames_its_copy_is_noticed(files, ips):
    copy = ips.with_name("ips.txt~")
    copy.write_text("198.51.100.1\n")
    copy.replace(ips)
    await files.refresh()
    assert in_force(files) == ["198.51.100.1"]
    append(ips, "198.51.100.2\n")
    await files.refresh()
    assert in_force(files) == ["198.51.100.1", "198.51.100.2"]


async def test_a_file_may_go_and_come_again(files, ips):
    text = ips.read_text()
    ips.unlink()
    await files.refresh()
    assert in_force(files) == []
    assert in_force(files, Kind.EMAIL) == ["@spam.example"]
    ips.write_text(text)
    await files.refresh()
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1"]


async def test_a_file_that_is_gone_is_told_until_there_is_one_again(files, ips):
    text = ips.read_text()
    ips.unlink()
    await files.refresh()
    await files.refresh()
    assert files.faults == [f"{ips}: it is gone, and its bans with it"]
    ips.write_text(text)
    await files.refresh()
    assert files.faults == []
    ips.unlink()
    await files.add([ip("198.51.100.1")])
    await files.refresh()
    assert files.faults == []


async def test_a_line_of_megabytes_is_told_at_once_and_is_no_ban(files, ips, tmp_path):
    append(tmp_path / "emails.txt", "@" + 5_000_000 * "a." + "example\neve@example.org\n")
    await files.refresh()
    assert files.faults == [f"{tmp_path / 'emails.txt'}, line 2: a line has at most 65536 bytes"]
    assert in_force(files, Kind.EMAIL) == ["@spam.example", "eve@example.org"]


def pipe(path):
    os.mkfifo(path)


def loop(path):
    path.symlink_to(path.name)


def endless(path):
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (pipe, "it is no file of text"),
        (endless, "it is no file of text"),
        (loop, "Too many levels of symbolic links"),
        (Path.mkdir, "Is a directory"),
    ],
)
async def test_what_is_no_file_hangs_nobody_and_leaves_the_bans_in_force(files, ips, put, reason):
    text = ips.read_text()
    ips.unlink()
    put(ips)
    async with asyncio.timeout(5):
        await files.refresh()
        assert files.faults == [f"{ips}: it cannot be read ({reason})"]
        for change in (files.add([ip("198.51.100.1")]), files.remove([ip("2001:db8::1")])):
            with pytest.raises(OSError, match=reason.replace("(", "")):
                await change
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1"]
    ips.rmdir() if ips.is_dir() else ips.unlink()
    ips.write_text(text)
    await files.refresh()
    assert files.faults == []


async def test_an_emptied_file_bans_nobody_and_may_be_filled_again(files, ips):
    ips.write_text("")
    await files.refresh()
    assert in_force(files) == []
    append(ips, "198.51.100.1\n")
    await files.refresh()
    assert in_force(files) == ["198.51.100.1"]


async def test_a_line_that_is_being_written_waits_for_its_end(files, ips):
    append(ips, "198.51.100.1\n198.51.100.2")
    await files.refresh()
    assert in_force(files)[2:] == ["198.51.100.1"]
    append(ips, "34  # a proxy\n")
    await files.refresh()
    assert in_force(files)[2:] == ["198.51.100.1", "198.51.100.234"]
    assert files.faults == []


async def test_a_last_line_without_an_end_counts_once_it_stays(files, ips):
    append(ips, "198.51.100.1")
    await files.refresh()
    await files.refresh()
    assert in_force(files)[2:] == ["198.51.100.1"]
    append(ips, "2\n")
    await files.refresh()
    assert in_force(files)[2:] == ["198.51.100.12"]
    assert files.faults == []


async def test_a_file_that_goes_while_its_last_line_is_awaited_is_noticed(files, ips):
    append(ips, "198.51.100.1")
    await files.refresh()
    ips.unlink()
    await files.refresh()
    assert in_force(files) == []


async def test_a_mended_line_is_no_fault_any_more(files, ips):
    append(ips, "nonsense\n")
    await files.refresh()
    assert len(files.faults) == 1
    append(ips, "198.51.100.1\n")
    await files.refresh()
    assert len(files.faults) == 1
    ips.write_text(ips.read_text().replace("nonsense", "198.51.100.2"))
    await files.refresh()
    assert files.faults == []
    assert in_force(files)[2:] == ["198.51.100.1", "198.51.100.2"]


_LINES = st.sampled_from(
    ["198.51.100.1", "198.51.100.2\n", "198.51.100.3\r\n", "# x\n", "\n", "nonsense\n", "4\n"]
)
_EDITS = st.lists(
    st.tuples(st.sampled_from(["append", "prepend", "cut", "rename", "delete"]), _LINES), max_size=8
)


@given(_EDITS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_after_any_edits_the_book_is_what_a_fresh_reading_gives(tmp_path, edits):
    ips = tmp_path / "ips.txt"
    ips.unlink(missing_ok=True)
    files = BanFiles(tmp_path)
    files.load()

    async def live():
        for edit, line in edits:
            text = ips.read_text() if ips.exists() else ""
            if edit == "append":
                append(ips, line)
            elif edit == "prepend":
                ips.write_text(line + text)
            elif edit == "cut":
                ips.write_text(text[: len(text) // 2])
            elif edit == "rename":
                (tmp_path / "new").write_text(text.upper() + line)
                (tmp_path / "new").replace(ips)
            else:
                ips.unlink(missing_ok=True)
            await files.refresh()
        await files.refresh()  # a line without an end has stayed so

    asyncio.run(live())
    fresh = BanFiles(tmp_path)
    fresh.load()
    assert in_force(files) == in_force(fresh)
    # A fresh reading does not know that there was a file.
    assert [each for each in files.faults if "it is gone" not in each] == fresh.faults


# The watch


@contextmanager
def watched(files, monkeypatch):
    monkeypatch.setattr(ban_files, "LOOK_EVERY", 0.01)
    told = asyncio.Queue()
    task = asyncio.create_task(files.watch(told.put))
    try:
        yield lambda: asyncio.wait_for(told.get(), 20)
    finally:
        task.cancel()


async def test_bad_lines_are_told_when_they_change(files, ips, monkeypatch):
    append(ips, "nonsense\n198.51.100.1\n")
    with watched(files, monkeypatch) as told:
        [fault] = await told()
        assert fault.startswith(f"{ips}, line 7: 'nonsense'")
        assert in_force(files)[2:] == ["198.51.100.1"]
        append(ips, "rubbish\n")
        [_, fault] = await told()
        assert fault.startswith(f"{ips}, line 9: 'rubbish'")
        ips.write_text("203.0.113.0/24\n")
        assert await told() == []


async def test_bad_lines_there_at_the_start_are_told(tmp_path, ips, monkeypatch):
    ips.write_text("nonsense\n")
    files = BanFiles(tmp_path)
    files.load()
    with watched(files, monkeypatch) as told:
        assert len(await told()) == 1


async def test_an_unreadable_file_is_told_and_what_was_read_stays_in_force(
    files, ips, tmp_path, monkeypatch
):
    with watched(files, monkeypatch) as told:
        text = ips.read_text()
        ips.unlink()
        # Root may read everything but a folder.
        (tmp_path / "folder").mkdir()
        (tmp_path / "folder").rename(ips)
        append(tmp_path / "emails.txt", "eve@example.org\n(\n")
        while len(told_of := await told()) < 2:
            pass
        assert f"{ips}: it cannot be read (Is a directory)" in told_of
        assert in_force(files, Kind.EMAIL) == ["@spam.example", "eve@example.org"]
        ips.rmdir()
        ips.write_text(f"{text}nonsense\n")
        while not any(fault.startswith(f"{ips}, line 7: 'nonsense'") for fault in await told()):
            pass
    assert not any("cannot be read" in fault for fault in files.faults)
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1"]


async def test_an_unreadable_file_leaves_its_bans_in_force(files, ips, monkeypatch):
    append(ips, "198.51.100.1\n")

    def refuse(*args, **more):
        raise PermissionError(13, "Permission denied", str(ips))

    with monkeypatch.context() as patch:
        patch.setattr(ban_files, "open_list", refuse)
        await files.refresh()
    assert f"{ips}: it cannot be read (Permission denied)" in files.faults
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1"]
    await files.refresh()
    assert files.faults == []
    assert in_force(files)[2:] == ["198.51.100.1"]


def test_the_desk_does_not_start_on_a_file_that_it_cannot_read(tmp_path):
    (tmp_path / "emails.txt").mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        BanFiles(tmp_path).load()


# Adding


async def test_a_ban_is_a_line_at_the_end_and_all_before_it_stays(files, ips):
    before = ips.read_text()
    ban = ip("198.51.100.1", until=NOW + DAY, by="@mod:example.org", at=NOW, reason="open proxy")
    assert await files.add([ban]) == [ban]
    assert ips.read_text() == before + (
        "198.51.100.1  # until 2026-11-24T10:04Z | by @mod:example.org"
        " | 2026-11-23T10:04Z | open proxy\n"
    )
    assert in_force(files)[2:] == ["198.51.100.1"]
    assert await files.search(text="open proxy") == [ip("203.0.113.0/24", reason="open proxy"), ban]


async def test_bans_of_all_kinds_are_added_at_once(files, tmp_path):
    bans = [Ban(Kind.NAME, "admin"), ip("198.51.100.1"), Ban(Kind.EMAIL, "eve@example.org")]
    assert await files.add(bans) == bans
    assert (tmp_path / "usernames.txt").read_text() == "admin\n"
    other = BanFiles(tmp_path)
    other.load()
    assert [in_force(other, kind)[-1] for kind in Kind] == [
        "198.51.100.1",
        "eve@example.org",
        "admin",
    ]


async def test_what_is_banned_already_for_as_long_is_no_new_line(files, ips):
    [first] = await files.add([ip("198.51.100.1", until=NOW)])
    before = ips.read_text()
    assert await files.add([first, ip("198.51.100.1", until=NOW - DAY), ip("2001:db8::1")]) == []
    assert ips.read_text() == before
    longer = ip("198.51.100.1", until=NOW + DAY)
    assert await files.add([longer, longer]) == [longer]
    assert files.book.networks(plain_address("198.51.100.1"), NOW) == ["198.51.100.1"]


async def test_of_bans_on_one_value_added_at_once_the_longer_holds(files):
    for_good = ip("198.51.100.1")
    assert await files.add([for_good, ip("198.51.100.1", until=NOW)]) == [for_good]
    assert files.book.covers(for_good)


async def test_a_ban_does_not_stick_to_an_unfinished_line(files, ips):
    append(ips, "198.51.100.1")
    await files.add([ip("198.51.100.2")])
    assert ips.read_text().endswith("\n198.51.100.1\n198.51.100.2\n")
    assert in_force(files)[2:] == ["198.51.100.1", "198.51.100.2"]
    await files.refresh()
    assert in_force(files)[2:] == ["198.51.100.1", "198.51.100.2"]
    append(ips, "nonsense\n")
    await files.refresh()
    assert files.faults[0].startswith(f"{ips}, line 9:")


async def test_another_s_ban_is_seen_before_one_s_own_is_written(files, tmp_path, ips):
    other = BanFiles(tmp_path)
    other.load()
    await other.add([ip("198.51.100.1")])
    assert await files.add([ip("198.51.100.1"), ip("198.51.100.2")]) == [ip("198.51.100.2")]
    assert ips.read_text().count("198.51.100.1") == 1


async def test_a_value_that_is_no_value_is_refused_before_it_is_written(files, ips):
    before = ips.read_text()
    with pytest.raises(ValueError, match="no address"):
        await files.add([ip("198.51.100.1"), ip("nonsense")])
    assert ips.read_text() == before
    assert in_force(files)[2:] == []


async def test_a_disk_that_does_not_keep_a_ban_leaves_no_trace_of_it(files, ips, monkeypatch):
    before = ips.read_text()

    def fail(descriptor):
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="Input/output error"):
            await files.add([ip("198.51.100.1")])
    assert ips.read_text() == before
    assert in_force(files)[2:] == []
    await files.refresh()
    assert in_force(files)[2:] == []
    await files.add([ip("198.51.100.1")])
    assert in_force(files)[2:] == ["198.51.100.1"]


async def test_a_full_disk_leaves_no_half_line(files, ips):
    before, (soft, hard) = ips.read_text(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + len("198.51.100.2"), hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            await files.add([ip("198.51.100.234")])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert ips.read_text() == before
    assert in_force(files)[2:] == []


async def test_a_cancelled_command_leaves_file_and_book_at_one(files, tmp_path):
    for number in range(20):
        task = asyncio.create_task(files.add([ip(f"198.51.100.{number}")]))
        await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        await files.add([ip(f"198.51.100.{100 + number}")])
    await files.refresh()
    other = BanFiles(tmp_path)
    other.load()
    assert in_force(files) == in_force(other)
    assert {f"198.51.100.{100 + number}" for number in range(20)} <= set(in_force(files))
    assert other.faults == []


# Removing


async def test_a_removed_ban_goes_with_all_its_lines_and_the_rest_stays(files, ips):
    before = ips.read_text()
    append(ips, "203.0.113.77/24 # once more\r\nnonsense\r\n# tail")
    assert await lift(files, Kind.IP, "203.0.113.0/24") == [
        ip("203.0.113.0/24", reason="open proxy"),
        ip("203.0.113.0/24", reason="once more"),
    ]
    kept = before.replace("203.0.113.0/24  # open proxy\n", "") + "nonsense\r\n# tail"
    assert ips.read_bytes().decode() == kept
    assert in_force(files) == ["2001:db8::1"]
    assert len(files.faults) == 1


async def test_lines_that_cannot_be_read_survive_byte_for_byte(files, ips):
    odd = b"\xff\xfe bad bytes\r\n\xef\xbb\xbf198.51.100.1\nold\rmac\n\x00\n"
    with ips.open("ab") as stream:
        stream.write(odd)
    await files.refresh()
    assert await lift(files, Kind.IP, "2001:db8::1") == [ip("2001:db8::1")]
    assert ips.read_bytes().endswith(b"# the others\n" + odd)
    assert in_force(files) == ["203.0.113.0/24", "198.51.100.1"]


async def test_what_is_not_banned_cannot_be_removed_and_nothing_is_written(files, ips, tmp_path):
    before = ips.stat()
    assert await lift(files, Kind.IP, "198.51.100.1") == []
    assert await lift(files, Kind.NAME, "admin") == []
    assert ips.stat().st_mtime_ns == before.st_mtime_ns
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emails.txt", "ips.txt"]


async def test_another_s_ban_can_be_removed_at_once(files, ips):
    append(ips, "198.51.100.1\n")
    assert await lift(files, Kind.IP, "198.51.100.1") == [ip("198.51.100.1")]


async def test_a_removal_keeps_who_may_read_the_file(files, ips):
    ips.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(ips, 1234, 1234)
    before = ips.stat()
    await lift(files, Kind.IP, "2001:db8::1")
    after = ips.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_uid,
        before.st_gid,
    )
    await files.add([ip("198.51.100.1")])
    assert ips.stat().st_mode == before.st_mode


async def test_a_list_that_lies_elsewhere_stays_there(files, ips, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    ips.rename(tmp_path / "elsewhere" / "list.txt")
    ips.symlink_to(tmp_path / "elsewhere" / "list.txt")
    await lift(files, Kind.IP, "2001:db8::1")
    assert ips.is_symlink()
    assert "2001:db8::1" not in ips.read_text()


async def test_a_disk_that_does_not_keep_a_removal_leaves_the_ban(
    files, ips, tmp_path, monkeypatch
):
    before = ips.read_text()

    def fail(descriptor):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(OSError, match="No space left"):
            await lift(files, Kind.IP, "2001:db8::1")
    assert ips.read_text() == before
    assert in_force(files) == ["203.0.113.0/24", "2001:db8::1"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["emails.txt", "ips.txt"]


async def test_a_line_written_by_hand_during_a_removal_is_kept(files, ips, monkeypatch):
    original, edits = ban_files.copy_without, ["198.51.100.1\n", "198.51.100.2\n"]

    def copy_without(*args):
        gone = original(*args)
        if edits:
            append(ips, edits.pop(0))
        return gone

    monkeypatch.setattr(ban_files, "copy_without", copy_without)
    assert await lift(files, Kind.IP, "2001:db8::1") == [ip("2001:db8::1")]
    assert in_force(files) == ["203.0.113.0/24", "198.51.100.1", "198.51.100.2"]
    assert ips.read_text().endswith("198.51.100.1\n198.51.100.2\n")


async def test_bans_that_are_over_go_and_no_others(files, ips):
    over = [ip("198.51.100.1", until=NOW - DAY), Ban(Kind.NAME, "admin", until=NOW)]
    await files.add([*over, ip("198.51.100.2", until=NOW + DAY)])
    before = ips.read_text()
    assert await drop_expired(files, NOW) == over
    assert ips.read_text() == before.replace("198.51.100.1  # until 2026-11-22T10:04Z\n", "")
    assert in_force(files)[2:] == ["198.51.100.2"]
    assert in_force(files, Kind.NAME) == []
    assert await drop_expired(files, NOW) == []


# Looking up


async def test_the_lists_are_searched_in_their_order(files, ips):
    append(ips, "nonsense spam\n198.51.100.1 # SPAM\n198.51.100.2 # more spam\n")
    assert [ban.value for ban in await files.search(text="Spam")] == [
        "198.51.100.1",
        "198.51.100.2",
        "@spam.example",
    ]
    assert [ban.value for ban in await files.search(Kind.EMAIL, "spam")] == ["@spam.example"]
    assert [ban.value for ban in await files.search(text="spam", most=1)] == ["198.51.100.1"]
    assert await files.search(Kind.NAME) == []
    assert len(await files.search()) == 5


# Several processes

_WRITER = """
import asyncio, sys
from pathlib import Path
from gateway.rules.bans import Ban, Kind
from gateway.store.ban_files import BanFiles

async def write(folder, task, network):
    files = BanFiles(Path(folder))
    files.load()
    print("ready", flush=True)
    sys.stdin.readline()
    for number in range(200):
        ban = Ban(Kind.IP, f"{network}.{number}", reason="of a list")
        done = await (files.add([ban]) if task == "add" else files.remove([ban]))
        assert len(done) == 1, (task, ban, done)

asyncio.run(write(*sys.argv[1:]))
"""


def run_together(folder, *tasks):
    """Start one process for each task, let them begin at one time, and wait for their ends."""
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(folder), *task],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for task in tasks
    ]
    for process in running:
        assert process.stdout.readline() == "ready\n"
    for process in running:
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in running:
        process.communicate(timeout=50)
        assert process.returncode == 0


@pytest.mark.parametrize("task", ["add", "remove"])
async def test_a_writer_waits_until_another_process_has_done(files, tmp_path, task):
    work = {
        "add": lambda: files.add([ip("198.51.100.2")]),
        "remove": lambda: files.remove([ip("2001:db8::1")]),
    }[task]
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        waiting = asyncio.create_task(work())
        _, pending = await asyncio.wait({waiting}, timeout=0.1)
        assert pending
    finally:
        os.close(folder)
    assert len(await asyncio.wait_for(waiting, 20)) == 1


async def test_two_processes_that_add_lose_nothing(files, tmp_path, ips):
    before = ips.read_text()
    run_together(tmp_path, ("add", "192.0.2"), ("add", "198.51.100"))
    text = ips.read_text()
    assert text.startswith(before)
    expected = {
        f"{network}.{n}  # of a list" for network in ("192.0.2", "198.51.100") for n in range(200)
    }
    lines = text.removeprefix(before).splitlines()
    assert len(lines) == 400
    assert set(lines) == expected
    await files.refresh()
    assert in_force(files)[2:] == [f"198.51.100.{number}" for number in range(200)]
    assert files.faults == []


async def test_a_removal_beside_an_append_loses_nothing(files, tmp_path, ips):
    before = ips.read_text()
    await files.add([ip(f"192.0.2.{number}", reason="of a list") for number in range(200)])
    run_together(tmp_path, ("add", "198.51.100"), ("remove", "192.0.2"))
    lines = ips.read_text().removeprefix(before).splitlines()
    assert lines == [f"198.51.100.{number}  # of a list" for number in range(200)]
    await files.refresh()
    assert in_force(files)[2:] == [f"198.51.100.{number}" for number in range(200)]
    assert not files.book.holds(Kind.IP, "192.0.2.0")


async def test_a_crowd_of_commands_and_looks_in_one_process_loses_nothing(files, tmp_path):
    await asyncio.gather(
        *(files.add([ip(f"198.51.100.{number}")]) for number in range(60)),
        *(files.refresh() for _ in range(30)),
    )
    await asyncio.gather(
        *(lift(files, Kind.IP, f"198.51.100.{number}") for number in range(20)),
        *(files.add([ip(f"198.51.100.{number}")]) for number in range(60, 80)),
    )
    other = BanFiles(tmp_path)
    other.load()
    assert in_force(files)[2:] == in_force(other)[2:] == [f"198.51.100.{n}" for n in range(20, 80)]
