"""The moderators' room: who serves it, and what it is told and asked."""

from datetime import timedelta

from pydantic import Field, SecretStr, model_validator

from gateway.rules.limits import Limit
from gateway.settings.section import Section
from gateway.settings.values import Duration, LimitText, Share, Size

_SHORTEST_QUIET = timedelta(minutes=1)


class Bot(Section):
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


class Alerts(Section):
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


class Moderation(Section):
    """When a ban is asked for again: from which share of past good registrations that it hits."""

    ask_share: Share = 0.05
