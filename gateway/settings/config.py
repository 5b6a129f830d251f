"""The configuration: one YAML file read into frozen settings, every fault reported at once.

Relative paths count from the folder of the file. A secret may stand in the file itself, in a file
of its own (`password_file`), or in the environment (`PORTER_SMTP_PASSWORD` and so on, which wins).
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from gateway.settings.settings import Settings


class ConfigError(Exception):
    """The configuration cannot be used; `faults` has one sentence for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


SECRETS = (
    ("homeserver", "admin_token"),
    ("homeserver", "client_secret"),
    ("homeserver", "static_token"),
    ("smtp", "password"),
    ("bot", "password"),
    ("bot", "access_token"),
)


def _find_secrets(data: dict[str, Any], folder: Path, environment: Mapping[str, str]) -> list[str]:
    """Put each secret where the settings expect it; returns the faults met on the way."""
    faults = []
    for section_name, key in SECRETS:
        section = data.get(section_name)
        if not isinstance(section, dict):
            continue
        file = section.pop(f"{key}_file", None)
        variable = f"PORTER_{section_name}_{key}".upper()
        given = environment.get(variable)
        path, written = f"{section_name}.{key}_file", section.get(key)
        if given is not None:
            section[key] = given
            if not given.strip():
                faults.append(f"{section_name}.{key}: {variable} is empty; unset it, or fill it")
        elif file is not None and key in section:
            faults.append(f"{path}: set either {key} or {key}_file, not both")
        elif isinstance(file, str):
            try:
                section[key] = (folder / file).read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                reason = getattr(error, "strerror", None) or "it is not text"
                faults.append(f"{path}: {folder / file} cannot be read ({reason})")
                section[key] = "unreadable"
            else:
                if not section[key]:
                    faults.append(f"{path}: {folder / file} is empty; put the secret into it")
        elif file is not None:
            faults.append(f"{path}: must be a path, found {file!r}")
        elif isinstance(written, str) and not written.strip():
            faults.append(f"{section_name}.{key}: is empty; put the secret there, or take it out")
    return faults


_QUOTED = re.compile(r" '(?!<)[^']{2,}'")  # what YAML quotes may be the beginning of a secret

# What would be right, where a pattern alone would say it.
_EXAMPLES = {
    "server_name": "must be the server's name, such as example.org",
    "homeserver.url": "must be an address without a path, such as https://matrix.example.org",
    "homeserver.auth_url": "must be an address, such as https://auth.example.org",
    "homeserver.admin_room": "must be a room's id or alias, such as #admins:example.org",
    "bot.user": "must be a Matrix id, such as @porter:example.org",
    "bot.room": "must be a room's id or alias, such as #moderators:example.org",
}
_WORDS = {
    "model_type": "must be a section with keys of its own, or be left out",
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "string_type": "must be text; write it in quotes",
    "literal_error": "must be {expected}",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}


def _sentence(error: Any) -> str:
    path = ".".join(str(part) for part in error["loc"]) or "config"
    if error["type"] == "extra_forbidden":
        return f"{path}: unknown key; take it out, or see example-config.yaml for its right name"
    if error["type"] == "missing":
        return f"{path}: missing; example-config.yaml shows what belongs here"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "string_pattern_mismatch" and path in _EXAMPLES:
        message = _EXAMPLES[path]
    elif error["type"] in _WORDS:
        message = _WORDS[error["type"]].format(**error.get("ctx", {}))
    secret = any((path.split(".")[0], part) in SECRETS for part in path.split("."))
    found = error["input"]
    secret = secret or re.search("://[^/]*@", str(found)) is not None  # of whom, and a password
    if secret or isinstance(found, dict | list | BaseModel):
        return f"{path}: {message}"
    return f"{path}: {message}; found {found!r}"


def parse(text: str, folder: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """Read settings from YAML text; paths count from `folder`. Raises ConfigError."""
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        problem = getattr(error, "problem", None) or "it is not YAML"
        problem = _QUOTED.sub("", problem)
        raise ConfigError([f"{where}: {problem}"]) from None
    if not isinstance(data, dict):
        raise ConfigError(["config: must be a mapping of sections; see example-config.yaml"])
    faults = _find_secrets(data, folder, os.environ if environment is None else environment)
    try:
        settings = Settings.model_validate(data, context={"folder": folder})
    except ValidationError as error:
        raise ConfigError(faults + [_sentence(each) for each in error.errors()]) from None
    if faults:
        raise ConfigError(faults)
    return settings


def load(path: Path) -> Settings:
    """Read the settings from a file. Raises ConfigError with every fault."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise ConfigError([f"{path}: cannot be read ({reason})"]) from None
    return parse(text, path.resolve().parent)
