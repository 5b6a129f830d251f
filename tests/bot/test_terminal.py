"""`porter` as an operator types it: what it prints, and the status that scripts look at."""

import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bot.terminal import main

CONFIG = """
server_name: example.org
state: state
bans: bans
web: {port: 1}
homeserver: {kind: token_file, url: "http://127.0.0.1:1", token_file: token}
tokens: {mode: shared}
smtp: {host: 127.0.0.1, port: 1, security: none, from: Porter <porter@example.org>}
"""
ROW = {
    "requested_name": "=alice",
    "email": "alice@example.net",
    "datetime": "2025-01-02T03:04:05",
    "ip_address": "203.0.113.9",
}


@pytest.fixture(autouse=True)
def no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within this process the log would outlive the stream that it was told to write to."""
    monkeypatch.setattr("gateway.log.configure", lambda **_: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(CONFIG)
    old = tmp_path / "old"
    old.mkdir()
    (old / "registrations.json").write_text(json.dumps([ROW]))
    (old / "banned_emails.txt").write_text("*@spam.example\n")
    return tmp_path


def porter(folder: Path, *words: str, typed: str | None = None) -> Result:
    """Run a command within this process."""
    return CliRunner().invoke(main, ["--config", str(folder / "config.yaml"), *words], input=typed)


def run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a process of its own, where it ends as an operator sees it."""
    command = [sys.executable, "-W", "error", "-c", "from bot.terminal import main; main()"]
    environment = {**os.environ, "PYTHONWARNINGS": ""}
    environment.pop("PORTER_CONFIG", None)
    return subprocess.run(
        [*command, *words],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
        stdin=subprocess.DEVNULL,
    )


def test_help_lists_the_operators_and_the_moderators_commands(folder: Path) -> None:
    said = run(folder, "--help")
    assert said.returncode == 0
    for command in ("run", "check", "import", "export", "backup", "ban", "registrations"):
        assert f"\n  {command} " in said.stdout
    titles = ("Operator", "Bans", "Requests", "Tokens", "The desk", "Alerts", "Accountability")
    found = [said.stdout.index(f"\n{title}:\n") for title in titles]
    assert found == sorted(found)


def test_the_version_is_the_packages() -> None:
    said = CliRunner().invoke(main, ["--version"])
    assert said.exit_code == 0
    assert version("matrix-porter") in said.output


def test_an_unknown_command_is_status_2() -> None:
    said = CliRunner().invoke(main, ["dance"])
    assert said.exit_code == 2
    assert "No such command 'dance'" in said.output


def test_a_mistake_is_pointed_at_here_too(folder: Path) -> None:
    said = run(folder, "regs", "--status", "lost")
    assert (said.returncode, said.stderr) == (1, "")
    assert said.stdout.splitlines()[:2] == [
        "registrations --status lost",
        "                       ^^^^",
    ]
    assert "Did you mean 'registrations'?" in run(folder, "registratons").stderr


@pytest.mark.parametrize(
    "words", [("run",), ("bans",), ("backup", "b.db"), ("export", "registrations", "--format=csv")]
)
def test_a_missing_configuration_is_one_sentence(tmp_path: Path, words: tuple[str, ...]) -> None:
    said = run(tmp_path, *words)
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.splitlines() == [
        "Error: the configuration cannot be used:",
        "  config.yaml: cannot be read (No such file or directory)",
    ]
    assert [*tmp_path.iterdir()] == []


def test_a_ban_typed_here_is_in_force(folder: Path) -> None:
    made = run(folder, "ban", "email", "@x.example", "--reason", "a test")
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.startswith("Banned email @x.example: a test")
    listed = run(folder, "bans", "terminal:")
    assert listed.returncode == 0
    assert "email @x.example" in listed.stdout
    assert "a test" in listed.stdout


def test_only_the_answer_goes_to_standard_output(folder: Path) -> None:
    said = run(folder, "token", "rotate")
    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout == "0 outstanding, 0 out of force now, 0 mailed anew.\n"
    (folder / "token").unlink()
    (folder / "token").mkdir()
    said = run(folder, "token", "rotate")
    assert said.returncode == 1
    assert said.stdout.startswith("1 outstanding, 0 out of force now, 0 mailed anew.\n")
    assert json.loads(said.stderr)["event"] == "token_not_replaced_yet"


def test_what_was_not_done_is_status_1(folder: Path) -> None:
    assert porter(folder, "unban", "email", "@nobody.example").exit_code == 1
    assert porter(folder, "ban", "email").exit_code == 1


def test_a_check_with_faults_is_status_1_and_creates_nothing(folder: Path) -> None:
    said = run(folder, "check")
    assert said.returncode == 1
    lines = said.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines[:-1]][-3:] == [
        *("smtp", "homeserver.url", "warning")
    ]
    assert lines[-1].endswith(" faults to mend.")
    assert said.stderr == ""
    assert sorted(each.name for each in folder.iterdir()) == ["config.yaml", "old"]


def test_a_check_without_faults_says_ready(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def nothing(_: Path) -> list[object]:
        return []

    monkeypatch.setattr("bot.operator.commands.find_faults", nothing)
    said = porter(folder, "check")
    assert said.exit_code == 0
    assert (
        said.output
        == f"ready: {folder / 'config.yaml'} and everything that it names can be used.\n"
    )


def test_an_import_asks_and_no_is_no(folder: Path) -> None:
    said = porter(folder, "import", str(folder / "old"), typed="n\n")
    assert said.exit_code == 1
    assert "1 registration, 1 new" in said.output
    assert "Import this? [y/N]: n" in said.output
    assert sorted(each.name for each in folder.iterdir()) == ["config.yaml", "old"]


def test_an_import_is_carried_out_once(folder: Path) -> None:
    said = porter(folder, "import", str(folder / "old"), typed="y\n")
    assert (said.exit_code, said.output.splitlines()[-1]) == (0, "Done.")
    said = porter(folder, "import", "--yes", str(folder / "old"))
    assert (said.exit_code, said.output.splitlines()[-1]) == (0, "Nothing new.")


def test_a_damaged_file_is_status_1_and_nothing_is_touched(folder: Path) -> None:
    (folder / "old" / "registrations.json").write_text("[{")
    said = porter(folder, "import", "--yes", str(folder / "old"))
    assert said.exit_code == 1
    assert "registrations.json: it is no JSON" in said.output
    assert "Nothing was imported" in said.output
    assert sorted(each.name for each in folder.iterdir()) == ["config.yaml", "old"]


def test_an_import_without_a_folder_is_status_2(folder: Path) -> None:
    assert porter(folder, "import", str(folder / "absent")).exit_code == 2


def test_registrations_go_to_standard_output_and_to_a_file(folder: Path) -> None:
    porter(folder, "import", "--yes", str(folder / "old"))
    table = run(folder, "export", "registrations", "--format", "csv")
    assert (table.returncode, table.stderr) == (0, "")
    assert table.stdout.splitlines()[1].startswith("1,2025-01-02T03:04:05Z,mailed,'=alice,")
    (row,) = json.loads(run(folder, "export", "registrations", "--format", "json").stdout)
    assert row["name"] == "=alice"

    target = folder / "out.json"
    words = ("export", "registrations", "--format", "json", "--output", str(target))
    assert porter(folder, *words).exit_code == 0
    assert json.loads(target.read_text()) == [row]
    assert target.stat().st_mode & 0o777 == 0o600
    again = porter(folder, *words)
    assert again.exit_code == 1
    assert "it is there already, and nothing is overwritten" in again.output


def test_a_file_of_an_answer_is_written_here_and_named(folder: Path) -> None:
    porter(folder, "import", "--yes", str(folder / "old"))
    said = run(folder, "registrations", "--csv", "--full")
    assert (said.returncode, said.stderr) == (0, "")
    (path,) = folder.glob("registrations-*.csv")
    assert said.stdout.startswith("1 found, also in the file:")
    assert said.stdout.splitlines()[-1].startswith(f"{path}: 1 registration")
    assert b"alice@example.net" in path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_picture_of_an_answer_is_told_in_one_sentence(folder: Path) -> None:
    said = run(folder, "stats", "--days", "2")
    assert said.returncode == 0
    assert said.stdout.endswith(" opened.\n") and ".." not in said.stdout.splitlines()[-1]
    assert (folder / "statistics.png").read_bytes().startswith(b"\x89PNG")


def test_before_the_first_run_there_is_nothing_to_export_or_back_up(folder: Path) -> None:
    for words in (("export", "registrations", "--format", "csv"), ("backup", str(folder / "b"))):
        said = porter(folder, *words)
        assert said.exit_code == 1
        assert "There is no database" in said.output
    assert not (folder / "state").exists()


def test_a_backup_says_what_is_not_in_it(folder: Path) -> None:
    porter(folder, "import", "--yes", str(folder / "old"))
    target = folder / "copy.db"
    said = porter(folder, "backup", str(target))
    assert said.exit_code == 0
    assert f"{target}: {target.stat().st_size} bytes, checked." in said.output
    assert "the bot's keys" in said.output
    assert "the ban files" in said.output
    again = porter(folder, "backup", str(target))
    assert again.exit_code == 1
    assert "a backup overwrites nothing" in again.output


def test_a_user_without_a_name_commands_by_his_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert porter(folder, "ban", "ip", "203.0.113.7").exit_code == 0
    assert f"by terminal:{os.getuid()} " in (folder / "bans" / "ips.txt").read_text()
