"""Registration tokens: how one is made, and when a shared one changes."""

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from croniter import croniter

from gateway.rules.opening import Opening

# Letters and digits that nobody confuses when a token is read aloud or typed from a phone.
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
_LENGTH = 28  # of 31 characters: 138 bits


def new_token() -> str:
    """A token of more than 128 bits, made of ASCII letters and digits only."""
    return "".join(secrets.choice(ALPHABET) for _ in range(_LENGTH))


@dataclass(frozen=True, slots=True)
class Schedule:
    """When the shared token changes: five cron fields in UTC, and how long it is closed before.

    A moment of the schedule is called a slot; each slot has one token.
    """

    cron: str
    downtime: timedelta = timedelta()

    def slot(self, now: datetime) -> datetime:
        """The latest slot that has begun."""
        return _around(self.cron, _minute(now))[0]

    def next(self, now: datetime) -> datetime:
        """The first slot after `now`."""
        return _around(self.cron, _minute(now))[1]

    def opening(self, now: datetime) -> Opening:
        """Closed when `next - downtime <= now < next`; without downtime always open."""
        if not self.downtime:
            return Opening(True)
        following = self.next(now)
        if following - self.downtime <= now:
            return Opening(False, following)
        return Opening(True, following - self.downtime)


def _minute(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(second=0, microsecond=0)


@lru_cache(maxsize=16)  # every request asks; slots begin with a minute, so each has one answer
def _around(cron: str, minute: datetime) -> tuple[datetime, datetime]:
    """The slot that holds a minute, and the one after it."""
    # croniter's get_prev leaves out the very moment asked for.
    past = croniter(cron, minute + timedelta(microseconds=1)).get_prev(datetime)
    return _utc(past), _utc(croniter(cron, minute).get_next(datetime))


def _utc(at: datetime) -> datetime:
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
