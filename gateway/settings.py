"""The settings: frozen, every key with its type and what it allows.

`gateway.config` reads them from a file.
"""

from datetime import timedelta
from email.utils import parseaddr
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, model_validator

from gateway.rules.doubts import Caution
from gateway.rules.limits import Limit
from gateway.values import Cron, Duration, FilePath, LimitText, Network, Port, Share, Size

_SHORTEST_QUIET = timedelta(minutes=1)
_LONGEST_DELIVERY = timedelta(minutes=4)  # a mail is leased for five


def _kind(value: object) -> object:
    if value == "dendrite":
        raise ValueError(
            "a Dendrite cannot be served: it stores registration tokens, and its registration asks"
            " for none, so they would keep nobody out"
        )
    return value


Way = Literal["admin_token", "client_id", "admin_room", "token_file", "static_token"]
# How a token gets into each kind: one of these keys says it, the first that is set.
_WAYS: dict[str, tuple[Way, ...]] = {
    "synapse": ("admin_token",),
    "mas": ("client_id",),
    "tuwunel": ("admin_token", "token_file", "admin_room"),
    "continuwuity": ("token_file", "admin_room"),
    "conduwuit": ("token_file",),
    "token_file": ("token_file",),
    "static": ("static_token",),
}
# What belongs to a way besides, and the kinds whose admin room serves their accounts.
_TOGETHER: dict[Way, tuple[str, ...]] = {"client_id": ("auth_url", "client_secret")}
_ROOMS = ("tuwunel", "continuwuity", "conduwuit")
_KEYS = (
    "admin_token",
    "auth_url",
    "client_id",
    "client_secret",
    "admin_room",
    "token_file",
    "static_token",
)


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

    kind: Annotated[
        Literal["synapse", "mas", "tuwunel", "continuwuity", "conduwuit", "token_file", "static"],
        BeforeValidator(_kind),
    ]
    url: str = Field(pattern=r"^https?://[^\s/]+/?$")
    admin_token: SecretStr | None = None
    auth_url: str | None = Field(None, pattern=r"^https?://[^\s/@?#][^\s@?#]*$")
    client_id: str | None = None
    client_secret: SecretStr | None = None
    admin_room: str | None = Field(None, pattern=r"^[!#]\S+$")
    token_file: FilePath | None = None
    static_token: SecretStr | None = None
    timeout: Duration = timedelta(seconds=5)

    @property
    def way(self) -> Way:
        """The key that says how tokens get in."""
        return next(way for way in _WAYS[self.kind] if getattr(self, way) is not None)

    @property
    def identity(self) -> str:
        """What makes it another one when it changes."""
        return f"{self.kind} by {self.way} at {self.url}"

    @model_validator(mode="after")
    def _complete(self) -> "Homeserver":
        faults, ways = [], _WAYS[self.kind]
        given = [key for key in _KEYS if getattr(self, key) is not None]
        chosen = [way for way in ways if way in given and way != "admin_room"]
        if len(chosen) > 1:
            faults.append(f"set either {' or '.join(chosen)}: tokens get in one way")
        # Where none is chosen it is the first, so that all that is missing is told at once.
        way = next((each for each in ways if each in given), ways[0])
        beside = _TOGETHER.get(way, ())
        missing = [key for key in beside if key not in given]
        if way not in given:
            missing = [" or ".join(ways), *missing]
        if missing:
            needed = " and ".join(missing)
            faults.append(f"kind {self.kind} needs {needed}; example-config.yaml shows how")
        room = ("admin_room",) if self.kind in _ROOMS else ()
        idle = [key for key in given if key not in (*ways, *beside, *room)]
        if idle:
            faults.append(f"kind {self.kind} does not use {' and '.join(idle)}: take it out")
        if faults:
            raise ValueError("; ".join(faults))
        return self


class Tokens(_Section):
    """One token for each applicant, or one shared by all that rotates. `mode` is None for the
    first wherever the homeserver can."""

    mode: Literal["per_applicant", "shared"] | None = None
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

    @property
    def shares_token(self) -> bool:
        """Whether all applicants get the same token."""
        if self.tokens.mode is None:
            return self.homeserver.kind == "static"
        return self.tokens.mode == "shared"

    @property
    def own_name(self) -> str:
        """The bot's name on this homeserver, or nothing where it is from elsewhere."""
        name, _, server = (self.bot.user if self.bot else "").partition(":")
        return name.removeprefix("@") if server == self.server_name else ""

    @model_validator(mode="after")
    def _possible(self) -> "Settings":
        if self.homeserver.kind == "static":
            if not self.shares_token:
                raise ValueError("tokens.mode: a static token is everybody's, so set mode: shared")
            if self.tokens.downtime or self.tokens.overlap:
                raise ValueError("tokens: a static token never rotates: no downtime, no overlap")
        admin_room = self.homeserver.admin_room
        if admin_room is not None and self.bot is None:
            raise ValueError("bot: missing; it is what works in homeserver.admin_room")
        if self.bot is not None and self.bot.room == admin_room:
            raise ValueError(
                "homeserver.admin_room: it is bot.room too; name the homeserver's own admin room,"
                f" #admins:{self.server_name}, and another one for the moderators"
            )
        return self
