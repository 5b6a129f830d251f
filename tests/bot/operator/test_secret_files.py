"""`porter check` tells which secrets every user of the machine can read."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.operator.secret_files import look

CONFIG = """
homeserver: {admin_token_file: token}
smtp: {password: hush-hush}
bot: {password_file: /run/secrets/bot}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, which pytest's own is not."""
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "config.yaml").write_text(CONFIG)
        (folder / "token").write_text("hush-hush")
        for name in ("config.yaml", "token"):
            (folder / name).chmod(0o644)
        yield folder


def test_a_secret_that_every_user_can_read_is_a_warning(folder: Path) -> None:
    found = look(folder / "config.yaml")
    assert [str(each).partition(" can be read")[0] for each in found] == [
        f"warning: config: {folder / 'config.yaml'}",
        f"warning: homeserver.admin_token_file: {folder / 'token'}",
    ]
    assert not any("hush" in str(each) for each in found)


@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_one_for_its_owner_and_his_group_is_none(folder: Path, mode: int) -> None:
    for name in ("config.yaml", "token"):
        (folder / name).chmod(mode)
    assert look(folder / "config.yaml") == []


def test_one_in_a_folder_that_nobody_enters_is_none(folder: Path) -> None:
    folder.chmod(0o750)
    assert look(folder / "config.yaml") == []


def test_a_configuration_without_secrets_may_be_read(folder: Path) -> None:
    (folder / "config.yaml").write_text("smtp: {host: mail.example.org}\nbot: 7\n")
    assert look(folder / "config.yaml") == []
