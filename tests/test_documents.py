"""README, example-config.yaml and config.yaml tell the truth about the code."""

import re
from pathlib import Path
from typing import Any

import aiohttp
import click
import pytest
import yaml
from pydantic import BaseModel

from bot.commands.table import table
from bot.terminal import main
from gateway.edges import make_homeserver
from gateway.homeserver.homeserver import Abilities
from gateway.settings.config import SECRETS, parse
from gateway.settings.settings import Settings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
EXAMPLE = (ROOT / "example-config.yaml").read_text()
SECURITY = (ROOT / "SECURITY.md").read_text()


def keys(model: type[BaseModel], path: str = "") -> dict[str, Any]:
    """Every key of the settings by its path, as it is written in YAML."""
    found: dict[str, Any] = {}
    for name, field in model.model_fields.items():
        key = path + (field.alias or name)
        sections = [
            each
            for each in (field.annotation, *getattr(field.annotation, "__args__", ()))
            if isinstance(each, type) and issubclass(each, BaseModel)
        ]
        found |= keys(sections[0], f"{key}.") if sections else {key: field}
    return found


def written(data: dict[str, Any], path: str = "") -> set[str]:
    found = set()
    for key, value in data.items():
        found |= written(value, f"{path}{key}.") if isinstance(value, dict) else {path + key}
    return found


def commands(group: click.Group, prefix: str = "") -> list[str]:
    found = []
    for name, command in group.commands.items():
        found.append(prefix + name)
        if isinstance(command, click.Group):
            found += commands(command, f"{prefix}{name} ")
    return found


def test_the_example_holds_every_key_and_no_other() -> None:
    named = {key.removesuffix("_file") for key in written(yaml.safe_load(EXAMPLE))}
    secret = {f"{section}.{key}" for section, key in SECRETS}
    # Of the ways to log in, and of those for a token, only one can stand there as YAML.
    beside = {
        "bot.access_token",
        *(f"homeserver.{key}" for key in ("auth_url", "client_id", "client_secret")),
        *(f"homeserver.{key}" for key in ("admin_room", "token_file", "static_token")),
    }
    beside = {key if key in secret else key.removesuffix("_file") for key in beside}
    for key in beside:
        assert re.search(rf"^  # {key.partition('.')[2]}(_file)?: ", EXAMPLE, re.MULTILINE), key
    known = {key if key in secret else key.removesuffix("_file") for key in keys(Settings)}
    assert named | beside == known


def test_every_key_of_the_example_is_explained() -> None:
    lines = EXAMPLE.splitlines()
    for number, line in enumerate(lines):
        if re.match(r" *[a-z_]+:", line) and not line.lstrip().startswith("#"):
            before = lines[number - 1].strip()
            explained = before.startswith("#")
            # Keys that belong together share one explanation.
            assert explained or re.match(r"[a-z_]+:", before), f"unexplained: {line}"


def test_the_example_can_be_read(tmp_path: Path) -> None:
    data = yaml.safe_load(EXAMPLE)
    for section, key in SECRETS:
        file = data[section].pop(f"{key}_file", None)
        if file:
            data[section][key] = "secret"
    settings = parse(yaml.safe_dump(data), tmp_path, {})
    assert settings.server_name == "example.org"


def test_the_example_shows_the_defaults() -> None:
    data = yaml.safe_load(EXAMPLE)
    for path in ("tokens.valid_for", "registration.email_cooldown", "smtp.timeout", "bot.power"):
        section, key = path.split(".")
        field = keys(Settings)[path]
        assert str(field.default)
        shown = parse(
            yaml.safe_dump(
                {
                    "server_name": "x.org",
                    "state": "s",
                    "bans": "b",
                    "homeserver": {"kind": "synapse", "url": "http://x", "admin_token": "t"},
                    "smtp": {"host": "h", "from": "a@x.org"},
                    "bot": {"user": "@p:x.org", "password": "p", "room": "!r"},
                }
                | ({section: {key: data[section][key]}} if section not in ("smtp", "bot") else {})
            ),
            Path(),
            {},
        )
        assert getattr(getattr(shown, section), key) == field.default


def test_the_local_configuration_can_be_read() -> None:
    text = (ROOT / "config.yaml").read_text()
    environment = {"PORTER_HOMESERVER_ADMIN_TOKEN": "t", "PORTER_BOT_PASSWORD": "p"}
    settings = parse(text, ROOT, environment)
    assert settings.state == ROOT / "state/demo/desk"


@pytest.mark.parametrize("command", commands(table))
def test_the_readme_names_every_command_of_the_room(command: str) -> None:
    assert table.chapters
    assert re.search(rf"^\| `{re.escape(command)}\b", README, re.MULTILINE), command


@pytest.mark.parametrize("command", sorted(main.commands))
def test_the_readme_names_every_command_of_the_terminal(command: str) -> None:
    assert f"`porter {command}" in README


@pytest.mark.parametrize("key", sorted(keys(Settings)))
def test_the_readme_names_every_key(key: str) -> None:
    section, _, name = key.rpartition(".")
    assert f"`{key}`" in README or (section and re.search(rf"`{section}`.*`{name}`", README)), key


def test_the_readme_points_to_what_is_there() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        if "://" not in target:
            assert (ROOT / target).exists(), target


def test_the_changelog_knows_the_version() -> None:
    version = re.search(r'^version = "(.+)"', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert version
    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## {version[1]}" in changelog or "## Unreleased" in changelog


# The table of what a homeserver can do. Of its keys those that say how tokens get in.
WAYS = (
    ("synapse", "admin_token", {"admin_token": "x"}),
    ("mas", "client_id", {"auth_url": "http://x", "client_id": "x", "client_secret": "x"}),
    ("tuwunel", "admin_token", {"admin_token": "x"}),
    ("tuwunel", "admin_room", {"admin_room": "#admins:x.org"}),
    ("tuwunel", "token_file", {"token_file": "t"}),
    ("continuwuity", "admin_room", {"admin_room": "#admins:x.org"}),
    ("continuwuity", "token_file", {"token_file": "t"}),
    ("conduwuit", "token_file", {"token_file": "t"}),
    ("conduwuit", "token_file, admin_room", {"token_file": "t", "admin_room": "#admins:x.org"}),
    ("token_file", "token_file", {"token_file": "t"}),
    ("static", "static_token", {"static_token": "x"}),
)


class NoRoom:
    """An admin room for whoever needs one to be made."""

    async def order(self, key: str, command: str) -> str:
        raise NotImplementedError


def row(kind: str, ways: str, can: Abilities) -> str:
    """What the table says of a kind."""
    accounts = "listed" if can.lists_accounts else "announced" if can.announces_accounts else "–"
    cells = (
        ", ".join(f"`{way}`" for way in ways.split(", ")),
        "yes" if can.own_tokens else "–",
        "yes" if can.counts_uses else "–",
        "yes" if can.several_tokens else "–",
        "yes" if can.needs_room else "–",
        accounts,
        ", ".join(sorted(can.restricts)) or "–",
        ", ".join(sorted(can.lifts)) or "–",
    )
    return f"| `{kind}` | {' | '.join(cells)} |"


@pytest.mark.parametrize(("kind", "ways", "keys"), WAYS)
async def test_the_readme_tells_what_each_kind_can_do(
    kind: str, ways: str, keys: dict[str, str]
) -> None:
    data: dict[str, Any] = {
        "server_name": "x.org",
        "state": "s",
        "bans": "b",
        "homeserver": {"kind": kind, "url": "http://x"} | keys,
        "smtp": {"host": "h", "from": "a@x.org"},
        "bot": {"user": "@p:x.org", "password": "p", "room": "!r"},
    }
    settings = parse(yaml.safe_dump(data), Path(), {})
    async with aiohttp.ClientSession() as session:
        can = make_homeserver(settings, session, NoRoom()).abilities
    assert row(kind, ways, can) in README.splitlines()


THREATS = re.findall(
    r"^\| (?!attack|who|---)(.+) \| (.+) \| (`tests/.+`) \|$", SECURITY, re.MULTILINE
)


def test_the_threats_are_a_table_of_three_columns() -> None:
    _, _, part = SECURITY.partition("## Attacks")
    rows = [line for line in part.partition("## What the operator")[0].splitlines() if "`" in line]
    assert len(rows) == len(THREATS) > 50


@pytest.mark.parametrize(("attack", "tests"), [(each[0], each[2]) for each in THREATS])
def test_every_threat_names_tests_that_exist(attack: str, tests: str) -> None:
    for named in tests.split(", "):
        path, _, name = named.strip("`").partition("::")
        assert re.search(rf"^(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), named
