"""The clock that stories are given, so that a test can hold another one."""

from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The present, as an aware UTC time."""
    return datetime.now(UTC)
