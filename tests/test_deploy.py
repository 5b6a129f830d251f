"""What stands in deploy/ fits the project: the pinned set, the unit, the container, the proxies."""

import re
import tomllib
from configparser import ConfigParser
from importlib.metadata import requires
from pathlib import Path
from urllib.parse import urlsplit

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
DEPLOY = ROOT / "deploy"
EXAMPLE = yaml.safe_load((ROOT / "example-config.yaml").read_text())
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def pinned() -> dict[str, tuple[str, int]]:
    """Every release in the lock file: its version, and how many hashes it has."""
    found = {}
    text = (DEPLOY / "requirements.lock").read_text().replace("\\\n", " ")
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        release, *hashes = line.split(" --hash=sha256:")
        name, _, version = release.strip().partition("==")
        assert version, line
        assert all(re.fullmatch(r"[0-9a-f]{64}", each.strip()) for each in hashes), name
        found[canonicalize_name(name)] = (version, len(hashes))
    return found


def test_all_that_is_deployed_is_pinned_with_hashes() -> None:
    lock, seen = pinned(), set()
    waiting = [(Requirement(each), "") for each in PROJECT["dependencies"]]
    while waiting:
        wanted, extra = waiting.pop()
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(wanted.name)
        assert name in lock, f"{name} is not pinned: make lock"
        version, hashes = lock[name]
        assert wanted.specifier.contains(version), f"{name} {version} does not fit: make lock"
        assert hashes
        for extra in ("", *wanted.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(Requirement(each), extra) for each in requires(name) or ()]


def unit() -> dict[str, list[str]]:
    parser = ConfigParser(strict=False, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string((DEPLOY / "porter.service").read_text())
    return {key: value.split() for key, value in parser["Service"].items()}


def test_the_unit_may_write_where_the_example_keeps_its_files_and_nowhere_else() -> None:
    service = unit()
    assert service["ProtectSystem"] == ["strict"]
    assert [f"/var/lib/{name}" for name in service["StateDirectory"]] == [EXAMPLE["state"]]
    assert service["ReadWritePaths"] == [EXAMPLE["bans"]]
    assert (service["StateDirectoryMode"], service["UMask"]) == (["0700"], ["0077"])


def test_the_unit_runs_as_a_plain_user_without_any_capability() -> None:
    service = unit()
    assert service["User"] not in (["root"], ["0"])
    assert service["CapabilityBoundingSet"] == service["AmbientCapabilities"] == []
    assert service["NoNewPrivileges"] == ["yes"]


def test_the_container_runs_as_a_plain_user_on_the_pinned_set() -> None:
    lines = (DEPLOY / "Containerfile").read_text()
    (user,) = re.findall(r"^USER (\d+):\d+$", lines, re.MULTILINE)
    assert int(user) > 0
    assert "--require-hashes" in lines
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", lines, re.MULTILINE):
        assert all((ROOT / each).exists() for each in copied.split()), copied
    assert f"VOLUME {EXAMPLE['state']}\n" in lines


def test_the_proxies_stand_before_the_example() -> None:
    web = EXAMPLE["web"]
    for file in ("Caddyfile", "nginx.conf"):
        text = (DEPLOY / file).read_text()
        assert f"{web['host']}:{web['port']}" in text
        assert str(urlsplit(web["public_url"]).hostname) in text
    # Appended to what a stranger sent, it would be read all the same; but nothing of his is needed.
    assert "proxy_set_header X-Forwarded-For $remote_addr;" in (DEPLOY / "nginx.conf").read_text()
