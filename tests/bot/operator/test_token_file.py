"""A token file that cannot reach the homeserver, or lets everybody in, is told of."""

from pathlib import Path

import pytest

from bot.operator import token_file
from bot.operator.token_file import look, mount_points


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "registration_token"
    path.write_text("abc\ndef\n")
    return path


def said(path: Path) -> list[str]:
    return [str(each) for each in look(path)]


def test_a_file_in_order_is_not_spoken_of(file: Path) -> None:
    assert said(file) == []


def test_a_file_that_is_made_later_is_not_spoken_of(tmp_path: Path) -> None:
    assert said(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("content", "words", "is_warning"),
    [
        ("", "is empty, which opens some homeservers to all; put a token in it", False),
        ("\n \n", "is empty", False),
        ("abc\n\ndef\n", "holds a blank line, which some servers take for a token", False),
        ("\nabc\n", "holds a blank line", False),
        ("abc\nde", "breaks off in its last line; end it, or remove a token cut short", True),
    ],
)
def test_what_stands_in_it_is_looked_at(
    file: Path, content: str, words: str, is_warning: bool
) -> None:
    file.write_text(content)
    (found,) = said(file)
    assert f"homeserver.token_file: {file} {words}" in found
    assert found.startswith("warning: ") is is_warning
    assert file.read_text() == content


def test_rubbish_in_it_breaks_nothing(file: Path) -> None:
    file.write_bytes(b"\xff\xfe\x00\n")
    assert said(file) == []  # that it cannot be used is told by the check of the tokens


def test_a_link_is_followed_as_the_desk_follows_it(file: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(file)
    assert said(link) == []
    file.write_text("")
    (found,) = said(link)
    assert f"homeserver.token_file: {link} is empty" in found


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert said(tmp_path) == [f"homeserver.token_file: {tmp_path} is a folder; name a file in it"]


def test_a_file_that_only_its_owner_reads_is_a_warning(file: Path) -> None:
    file.chmod(0o600)
    (found,) = said(file)
    assert found.startswith("warning: homeserver.token_file: only the owner of ")
    file.chmod(0o640)
    assert said(file) == []


def test_a_file_that_is_mounted_by_itself_cannot_be_replaced(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "22 1 8:1 / / rw,relatime - ext4 /dev/sda1 rw\n"
        f"40 22 8:1 /srv/token {file} ro,relatime - ext4 /dev/sda1 rw\n"
    )
    monkeypatch.setattr(token_file, "_MOUNTS", mounts)
    (found,) = said(file)
    assert f"{file} is mounted by itself, so it cannot be replaced" in found
    assert found.endswith("mount its folder, here and where the homeserver runs")


def test_mounts_are_read_as_the_kernel_writes_them() -> None:
    text = "40 22 8:1 / /with\\040space rw - x\n41 22 8:1 / /caf\u00e9 rw - x\nrubbish\n"
    assert mount_points(text) == {"/with space", "/caf\u00e9"}
    assert "/" in mount_points(Path("/proc/self/mountinfo").read_text())
