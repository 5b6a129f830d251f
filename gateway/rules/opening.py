"""When the desk is open: the moderators' pause first, then the downtime before a rotation."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Opening:
    """The desk at one moment. `changes_at` is when it closes or reopens; none when nobody knows.

    `message` holds the moderators' words while they keep it closed.
    """

    is_open: bool
    changes_at: datetime | None = None
    message: str | None = None
