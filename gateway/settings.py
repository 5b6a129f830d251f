"""The settings: frozen, every key with its type and what it allows.

`gateway.config` reads them from a file.
"""

import re
from datetime import UTC, datetime, timedelta
from email.utils import parseaddr
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from croniter import CroniterBadDateError, croniter
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationInfo,
    model_validator,
)

from gateway.rules.doubts import Caution
from gateway.rules.durations import parse_duration
from gateway.rules.limits import Limit, parse_limit

_SHORTEST_QUIET = timedelta(minutes=1)
_LONGEST_DELIVERY = timedelta(minutes=4)  # a mail is leased for five


def _duration(value: object) -> timedelta:
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise ValueError("must be a span of time such as 7d, 12h or 1h30m")
    return parse_duration(str(value))


def _limit(value: object) -> Limit:
    if not isinstance(value, str):
        raise ValueError("must be a limit such as 10 per 1h")
    return parse_limit(value)


def _share(value: object) -> float:
    number = value.removesuffix("%").strip() if isinstance(value, str) else ""
    if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]+)?", number) or float(number) > 100:
        raise ValueError("must be a share from 0% to 100%, such as 5%")
    return float(number) / 100


def _size(value: object) -> int:
    found = re.fullmatch(r"([0-9]{1,9}) ?([KMGT]i)?B", value) if isinstance(value, str) else None
    if found is None:
        raise ValueError("must be a size such as 500MiB or 2GiB")
    return int(found[1]) << (10 * " KMGT".index(found[2][0]) if found[2] else 0)


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
Share = Annotated[float, BeforeValidator(_share)]
Size = Annotated[int, BeforeValidator(_size)]
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


class Review(_Section):
    """Which accepted requests wait for a moderator's decision."""

    all: bool = False
    new_networks: bool = False
    throwaway_domains: bool = False
    after: LimitText | None = None
    rejection_mail: bool = False

    @property
    def caution(self) -> Caution:
        """The same, as the rules read it."""
        return Caution(self.all, self.new_networks, self.throwaway_domains, self.after)


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
        if not timedelta(seconds=1) <= self.timeout <= _LONGEST_DELIVERY:
            raise ValueError("timeout: must be between 1s and 4m")
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
    remote_moderators: bool = False
    command_age: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _one_login(self) -> "Bot":
        if (self.password is None) == (self.access_token is None):
            raise ValueError("set exactly one of password and access_token")
        return self


class Alerts(_Section):
    """What is worth a message to the room."""

    burst: LimitText = Limit(10, timedelta(minutes=10))
    burst_in_all: LimitText = Limit(100, timedelta(minutes=10))
    ban_hits: LimitText = Limit(50, timedelta(days=1))
    names_by_address: LimitText = Limit(4, timedelta(days=1))
    names_by_network: LimitText = Limit(20, timedelta(days=1))
    quiet: Duration = timedelta(minutes=15)
    down_after: Duration = timedelta(minutes=1)
    disk: Size = 500 * 2**20

    @model_validator(mode="after")
    def _folding(self) -> "Alerts":
        if self.quiet < _SHORTEST_QUIET:
            raise ValueError("quiet: must be 1m or more, or each second of a burst is a message")
        return self


class Moderation(_Section):
    """When a ban is asked for again: from which share of past good registrations that it hits."""

    ask_share: Share = 0.05


class Settings(_Section):
    """The whole configuration."""

    server_name: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    state: FilePath
    bans: FilePath
    web: Web = Web()
    homeserver: Homeserver
    tokens: Tokens = Tokens()
    registration: Registration = Registration()
    review: Review = Review()
    smtp: Smtp
    mail: Mail = Mail()
    bot: Bot | None = None
    alerts: Alerts = Alerts()
    moderation: Moderation = Moderation()

    @model_validator(mode="after")
    def _possible(self) -> "Settings":
        if self.homeserver.kind == "token_file" and self.tokens.mode == "per_applicant":
            raise ValueError("tokens.mode: a token file serves shared tokens, so set mode: shared")
        return self
