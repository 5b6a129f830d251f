"""`porter rotate-key` gives every process a fresh key, and says what becomes of the old ones."""

import asyncio
import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.terminal import main
from gateway.clock import utc_now
from gateway.store import audit
from gateway.store.database import Database
from gateway.store.keyring import Keyring
from tests.bot.conftest import CONFIG


@pytest.fixture
async def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("gateway.log.configure", lambda **_: None)
    (tmp_path / "config.yaml").write_text(CONFIG)
    database = Database(tmp_path / "state" / "porter.db")
    database.open()
    await database.close()
    return tmp_path


def rotate(folder: Path, *words: str, typed: str | None = None) -> Result:
    before = os.umask(0o077)  # as the command sets it
    line = ["--config", str(folder / "config.yaml"), "rotate-key", *words]
    try:
        return CliRunner().invoke(main, line, input=typed)
    finally:
        os.umask(before)


def test_old_links_and_addresses_go_on_until_the_old_keys_are_dropped(folder: Path) -> None:
    running = Keyring(folder / "state" / "keys")
    running.open(utc_now())
    link, (name,) = running.sign("mail", "12"), running.pseudonyms("ann@example.net")

    said = rotate(folder)
    assert (said.exit_code, said.output.splitlines()[-1]) == (0, "Done.")
    assert "The old ones stay in force" in said.output
    assert running.is_signed("mail", "12", link)
    assert running.sign("mail", "12") != link
    assert running.pseudonyms("ann@example.net")[1:] == (name,)

    assert rotate(folder, "--drop-old", typed="n\n").exit_code == 1
    assert running.is_signed("mail", "12", link)
    said = rotate(folder, "--drop-old", typed="y\n")
    assert said.exit_code == 0
    assert "no longer recognised" in said.output
    assert not running.is_signed("mail", "12", link)
    assert name not in running.pseudonyms("ann@example.net")


async def test_it_stands_in_the_log_without_the_key(folder: Path) -> None:
    await asyncio.to_thread(rotate, folder, "--drop-old", "--yes")
    database = Database(folder / "state" / "porter.db")
    database.open()
    (entry,) = await database.read(audit.search)
    await database.close()
    assert (entry.action, entry.subject, entry.after) == (
        *("rotate-key", "keys"),
        "fresh, without the old ones",
    )
    assert entry.who.startswith("terminal:")


def test_damaged_keys_are_said_and_nothing_is_changed(folder: Path) -> None:
    (folder / "state" / "keys").write_text("nonsense\n")
    said = rotate(folder)
    assert said.exit_code == 1
    assert "Nothing was changed: " in said.output
    assert (folder / "state" / "keys").read_text() == "nonsense\n"
