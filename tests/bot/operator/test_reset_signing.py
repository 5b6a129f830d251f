"""`porter reset-signing` in the terminal."""

import asyncio
import secrets
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.demo.synapse import Synapse
from bot.terminal import main
from tests.bot.conftest import CONFIG


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the log of the test run as it is."""
    monkeypatch.setattr("gateway.log.configure", lambda **_: None)


def run(folder: Path, text: str) -> Result:
    (folder / "config.yaml").write_text(text)
    return CliRunner().invoke(main, ["--config", str(folder / "config.yaml"), "reset-signing"])


def test_an_account_that_no_run_used_yet_gets_its_keys(synapse: Synapse, tmp_path: Path) -> None:
    name = f"porter-{secrets.token_hex(4)}"
    asyncio.run(synapse.register_user(name, "bot-pass-word"))
    config = CONFIG.replace("http://127.0.0.1:1", synapse.url) + (
        f'bot: {{user: "@{name}:porter.localhost", password: bot-pass-word, room: "!r:x"}}\n'
    )
    done = run(tmp_path, config)
    assert done.exit_code == 0, done.output
    assert "fresh signing keys; its device is signed by the first run" in done.output
    keys = tmp_path / "state" / "bot" / "cross-signing.json"
    assert keys.stat().st_mode & 0o777 == 0o600
    wrong = run(tmp_path, config.replace("password: bot-pass-word", "password: wrong"))
    assert wrong.exit_code == 1
    assert wrong.output.startswith("Error: Nothing was signed: the homeserver refused")


def test_a_desk_without_a_bot_has_nothing_to_sign(tmp_path: Path) -> None:
    missing = run(tmp_path, CONFIG)
    assert missing.exit_code == 1 and "bot: missing" in missing.output
