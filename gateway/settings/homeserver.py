"""The homeserver, its kinds, and the ways in which a token gets into each."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from gateway.settings.section import Section
from gateway.settings.values import Duration, FilePath


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


class Homeserver(Section):
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
