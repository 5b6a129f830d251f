"""Somebody on a homeserver of the conduwuit family."""

from dataclasses import dataclass, field


@dataclass
class Person:
    """An account. Without a password it is deactivated."""

    password: str | None = None
    access_tokens: set[str] = field(default_factory=set)
    display_name: str | None = None
    is_admin: bool = False
    is_suspended: bool = False
    is_locked: bool = False
