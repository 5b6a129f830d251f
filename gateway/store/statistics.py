"""Statistics: requests, refusals and accounts by day, counted by the database."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import ColumnElement, Connection, func, select

from gateway.store.registrations import Status
from gateway.store.schema import registrations

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """One day, or several days from `start` on: what was asked for, refused, and opened."""

    start: date
    requests: int
    refused: int
    accounts: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Periods without a gap, oldest first, of so many `days` each, and why requests were refused.

    A request that was refused for several reasons counts under the first of them alone.
    """

    days: int
    periods: tuple[Period, ...]
    reasons: tuple[tuple[str, int], ...]

    def total(self) -> Period:
        """All periods as one."""
        return Period(
            self.periods[0].start,
            sum(each.requests for each in self.periods),
            sum(each.refused for each in self.periods),
            sum(each.accounts for each in self.periods),
        )


def statistics(connection: Connection, now: datetime, span: int, days: int = 1) -> Statistics:
    """The last `span` days in UTC, today among them, in periods of `days`.

    Rows from the future, written before the clock was set back, are left out.
    """
    r = registrations.c
    today = now.astimezone(UTC).date()
    first = today - (span - 1) * _DAY
    begin = datetime.combine(first, time(), UTC)
    end = begin + span * _DAY
    asked = (r.created_at >= begin, r.created_at < end)
    is_refused = r.status == Status.REFUSED
    requests = _by_day(connection, r.created_at, *asked)
    refused = _by_day(connection, r.created_at, is_refused, *asked)
    accounts = _by_day(connection, r.registered_at, r.registered_at >= begin, r.registered_at < end)
    reason = func.json_extract(r.refusals, "$[0].code")
    counted = select(reason, func.count()).where(is_refused, *asked).group_by(reason)
    reasons = [(str(code or "unknown"), number) for code, number in connection.execute(counted)]
    periods = tuple(
        Period(
            first + start * _DAY,
            *(
                sum(counts.get(first + (start + day) * _DAY, 0) for day in range(days))
                for counts in (requests, refused, accounts)
            ),
        )
        for start in range(0, span, days)
    )
    return Statistics(days, periods, tuple(sorted(reasons, key=lambda each: (-each[1], each[0]))))


def _by_day(
    connection: Connection, moment: ColumnElement[datetime], *which: ColumnElement[bool]
) -> dict[date, int]:
    day = func.date(moment)
    found = connection.execute(select(day, func.count()).where(*which).group_by(day))
    return {date.fromisoformat(str(text)): int(number) for text, number in found}
