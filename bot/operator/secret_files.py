"""Secrets at rest: whether others on this machine can read the configuration or a secret's file."""

import stat
from pathlib import Path
from typing import Any

import yaml

from bot.operator.finding import Finding
from gateway.settings.config import SECRETS

# Mounted for one container or one unit alone, often readable by all who are in it.
_PRIVATE_MOUNTS = (Path("/run/secrets"), Path("/run/credentials"))


def look(config: Path) -> list[Finding]:
    """A warning for each file with a secret that any user can read; of one's own group one trusts
    the members."""
    try:
        data = yaml.safe_load(config.read_text())
    except (OSError, ValueError, yaml.YAMLError):
        return []  # said elsewhere
    data = data if isinstance(data, dict) else {}
    folder = config.resolve().parent
    found = []
    if any(isinstance(_value(data, section, key), str) for section, key in SECRETS):
        found += _warnings("config", config.resolve(), "it holds secrets")
    for section, key in SECRETS:
        file = _value(data, section, f"{key}_file")
        if isinstance(file, str):
            path = (folder / file).resolve()
            found += _warnings(f"{section}.{key}_file", path, "it is a secret")
    return found


def _value(data: dict[str, Any], section: str, key: str) -> Any:
    values = data.get(section)
    return values.get(key) if isinstance(values, dict) else None


def _warnings(key: str, path: Path, why: str) -> list[Finding]:
    try:
        if any(path.is_relative_to(each) for each in _PRIVATE_MOUNTS) or not _is_exposed(path):
            return []
    except OSError:
        return []  # that it cannot be read is said elsewhere
    text = f"{key}: {path} can be read by every user, and {why}; chmod 640 or 600 closes it"
    return [Finding(text, is_warning=True)]


def _is_exposed(path: Path) -> bool:
    """Whether any user may read it, and may enter the folders on the way to it."""
    return bool(path.stat().st_mode & stat.S_IROTH) and all(
        each.stat().st_mode & stat.S_IXOTH for each in path.parents
    )
