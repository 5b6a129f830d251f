"""The settings: frozen, every key with its type and what it allows.

`gateway.settings.config` reads them from a file.
"""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, model_validator

from gateway.rules.limits import Limit
from gateway.settings.addresses import Addresses
from gateway.settings.homeserver import Homeserver
from gateway.settings.mail import Mail, Smtp
from gateway.settings.registration import Registration, Review, Tokens
from gateway.settings.retention import Retention
from gateway.settings.room import Alerts, Bot, Moderation
from gateway.settings.section import Section
from gateway.settings.values import FilePath
from gateway.settings.web import Web


class Settings(Section):
    """The whole configuration."""

    server_name: str = Field(pattern=r"^[A-Za-z0-9.:\[\]-]+$")
    state: FilePath
    bans: FilePath
    web: Web = Web()
    homeserver: Homeserver
    tokens: Tokens = Tokens()
    registration: Registration = Registration()
    addresses: Addresses = Addresses()
    review: Review = Review()
    smtp: Smtp
    mail: Mail = Mail()
    bot: Bot | None = None
    alerts: Alerts = Alerts()
    moderation: Moderation = Moderation()
    retention: Retention = Retention()

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

    @property
    def read_by_others(self) -> tuple[Path, ...]:
        """What other users have to read, wherever it lies: the bans, and the token file."""
        token_file = self.homeserver.token_file
        return (self.bans, *([] if token_file is None else [token_file, token_file.parent]))

    @property
    def looks_back(self) -> timedelta:
        """How far back a limit, a cooldown, a held name or a token reaches, the longest of them."""
        rules = self.registration
        values = [value for _, value in (*rules.limits, *self.review)]
        each = [
            one for value in values for one in (value if isinstance(value, tuple) else (value,))
        ]
        spans = [one.within for one in each if isinstance(one, Limit)]
        return max(*spans, rules.email_cooldown, rules.name_hold, self.tokens.valid_for)

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
