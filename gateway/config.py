"""The configuration: one YAML file read into frozen settings, every fault reported at once.

Relative paths count from the folder of the file. A secret may stand in the file itself, in a file
of its own (`password_file`), or in the environment (`PORTER_SMTP_PASSWORD` and so on, which wins).
"""

import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from croniter import CroniterBadDateError, croniter
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from gateway.rules.durations import parse_duration
from gateway.rules.limits import Limit, parse_limit


class ConfigError(Exception):
    """The configuration cannot be used; `faults` has one sentence for each thing to mend."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def _duration(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a span of time such as 7d, 12h or 1h30m")
    return parse_duration(str(value))


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError("must be a limit such as 10 per 1h")
    return parse_limit(value)


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError("must be an address or network in quotes, such as '10.0.0.0/8'")
    return ip_network(value, strict=False)


def _path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be a path")
    return Path((info.context or {}).get("folder", "."), value)


def _cron(value: object) -> str:
    if not isinstance(value, str) or len(value.split()) != 5 or not croniter.is_valid(value):
        raise ValueError("must be five cron fields, such as '0 0 * * 1' for Mondays at 00:00 UTC")
    if re.search("(?i)(?<![a-z])r(?![a-z])", value):
        raise ValueError("must be fixed times: R stands for another one each time it is read")
    try:
        croniter(value, datetime(2026, 1, 1, tzinfo=UTC)).get_next()
    except CroniterBadDateError:
        raise ValueError(f"must be a time that comes: no year has a day for {value!r}") from None
    return value


Duration = Annotated[timedelta, BeforeValidator(_duration)]
LimitText = Annotated[Limit, BeforeValidator(_limit)]
Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network)]
FilePath = Annotated[Path, BeforeValidator(_path)]
Cron = Annotated[str, BeforeValidator(_cron)]
Port = Annotated[int, Field(ge=1, le=65535)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class Web(_Section):
    """The page. Nothing is trusted to name the client's address unless it stands here."""

    host: str = "127.0.0.1"
    port: Port = 8090
    public_url: str | None = None
    trusted_proxies: tuple[Network, ...] = ()
    logo: FilePath | None = None
    favicon: FilePath | None = None
    templates: FilePath | None = None


class Homeserver(_Section):
    """Where accounts are opened, and how a token gets in."""

    kind: Literal["synapse", "token_file"]
    url: str = Field(pattern=r"^https?://[^\s/]+/?$")
    admin_token: SecretStr | None = None
    token_file: FilePath | None = None
    timeout: Duration = timedelta(seconds=5)

    @model_validator(mode="after")
    def _complete(self) -> "Homeserver":
        if self.kind == "synapse" and self.admin_token is None:
            raise ValueError("kind synapse needs admin_token or admin_token_file")
        if self.kind == "token_file" and self.token_file is None:
            raise ValueError("kind token_file needs token_file, the file that the server reads")
        return self


class Tokens(_Section):
    """One token for each applicant, or one shared by all that rotates."""

    mode: Literal["per_applicant", "shared"] = "shared"
    valid_for: Duration = timedelta(days=7)
    rotation: Cron | None = "0 0 * * *"
    downtime: Duration = timedelta()
    overlap: Duration = timedelta()

    @model_validator(mode="after")
    def _one_of_both(self) -> "Tokens":
        if self.downtime and self.overlap:
            raise ValueError("downtime and overlap exclude each other: set one of them to 0")
        return self


class Limits(_Section):
    """How many requests the desk hears: from one neighbourhood (/24, /64), and in all."""

    network: LimitText | None = Limit(10, timedelta(hours=1))
    all: LimitText | None = Limit(1000, timedelta(days=1))


class Registration(_Section):
    """Who may ask, and how often."""

    email_cooldown: Duration = timedelta(days=1)
    multiple_users_per_email: bool = False
    name_hold: Duration = timedelta(days=7)
    limits: Limits = Limits()


class Smtp(_Section):
    """The server that takes our mail."""

    host: str
    port: Port = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: SecretStr | None = None
    sender: str = Field(alias="from", min_length=3)
    timeout: Duration = timedelta(seconds=30)
    connections: int = Field(4, ge=1, le=64)
    give_up_after: Duration = timedelta(days=2)
    ca_file: FilePath | None = None

    @property
    def domain(self) -> str:
        """The domain that our mail comes from."""
        return parseaddr(self.sender)[1].rpartition("@")[2] or "localhost"

    @model_validator(mode="after")
    def _whole_login(self) -> "Smtp":
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together: set both, or neither")
        return self


class Mail(_Section):
    """The words of the mail."""

    subject: str = "Your registration token for {homeserver}"
    templates: FilePath | None = None


class Bot(_Section):
    """The moderators' room and the account that serves it."""

    user: str = Field(pattern=r"^@[^:\s]+:\S+$")
    password: SecretStr | None = None
    access_token: SecretStr | None = None
    device_name: str = "Porter"
    room: str = Field(pattern=r"^[!#]\S+$")
    power: int = 50
    command_age: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _one_login(self) -> "Bot":
        if (self.password is None) == (self.access_token is None):
            raise ValueError("set exactly one of password and access_token")
        return self


class Alerts(_Section):
    """When a burst of refused requests is worth a message."""

    burst: LimitText = Limit(10, timedelta(minutes=10))


class Settings(_Section):
    """The whole configuration."""

    server_name: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    state: FilePath
    bans: FilePath
    web: Web = Web()
    homeserver: Homeserver
    tokens: Tokens = Tokens()
    registration: Registration = Registration()
    smtp: Smtp
    mail: Mail = Mail()
    bot: Bot | None = None
    alerts: Alerts = Alerts()

    @model_validator(mode="after")
    def _possible(self) -> "Settings":
        if self.homeserver.kind == "token_file" and self.tokens.mode == "per_applicant":
            raise ValueError("tokens.mode: a token file serves shared tokens, so set mode: shared")
        return self


SECRETS = (
    ("homeserver", "admin_token"),
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
        given = environment.get(f"PORTER_{section_name}_{key}".upper())
        path = f"{section_name}.{key}_file"
        if given is not None:
            section[key] = given
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
    return faults


# What would be right, where a pattern alone would say it.
_EXAMPLES = {
    "server_name": "must be the server's name, such as example.org",
    "homeserver.url": "must be an address without a path, such as https://matrix.example.org",
    "bot.user": "must be a Matrix id, such as @porter:example.org",
    "bot.room": "must be a room's id or alias, such as #moderators:example.org",
}
_WORDS = {
    "int_parsing": "must be a whole number",
    "bool_parsing": "must be true or false",
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
