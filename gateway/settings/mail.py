"""The server that takes our mail, and the words of the mail."""

from datetime import timedelta
from email.utils import parseaddr
from typing import Literal

from pydantic import Field, SecretStr, model_validator

from gateway.settings.section import Section
from gateway.settings.values import Duration, FilePath, Port

_LONGEST_DELIVERY = timedelta(minutes=4)  # a mail is leased for five


class Smtp(Section):
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


class Mail(Section):
    """The words of the mail."""

    subject: str = "Your registration token for {homeserver}"
    templates: FilePath | None = None
