"""Statistics: requests, refusals and accounts over time, in a picture and a table."""

import click

from bot.answers import Answer, Grid, Line, counted
from bot.commands.table import Call, Count, also, table
from bot.picture import paint
from gateway.rules.screening import in_words
from gateway.store.statistics import Statistics, statistics

_MOST_DAYS = 62  # a longer time is shown by the week


@also("statistics", "chart")
@table.command()
@click.option("--days", type=Count(371), default=30, metavar="N", help="how far back: 30")
@click.pass_obj
async def stats(call: Call, days: int) -> Answer:
    """Show requests, refusals and accounts, as a picture and a table.

    Today in UTC is the last day. More than 62 days are shown by the week. A request that was
    refused for several reasons counts under the first of them.
    """
    now = call.desk.clock()
    each = 1 if days <= _MOST_DAYS else 7
    span = -(-days // each) * each
    found = await call.desk.database.read(lambda c: statistics(c, now, span, each))
    settings = call.desk.settings
    picture = await paint(found, settings.server_name, settings.state / "matplotlib")
    lines: list[Line] = [_summary(found, span), _by_time(found)]
    lines += [_by_reason(found)] if found.reasons else []
    kept = settings.retention.refused
    if kept is not None and kept.days < days:
        lines.append(f"Refused requests are kept for {kept.days} days: older ones are missing.")
    if picture is None:
        lines.insert(1, "The picture could not be drawn: the log says why.")
        return Answer(tuple(lines))
    return Answer(tuple(lines), attachments=(picture,))


def _summary(found: Statistics, span: int) -> str:
    total = found.total()
    days = "Today" if span == 1 else f"{span} days"
    return (
        f"{days}: {counted(total.requests, 'request')}, {total.refused:,} refused,"
        f" {counted(total.accounts, 'account')} opened."
    )


def _by_time(found: Statistics) -> Grid:
    """Newest first, as everywhere."""
    rows = tuple(
        (f"{each.start}", f"{each.requests:,}", f"{each.refused:,}", f"{each.accounts:,}")
        for each in reversed(found.periods)
    )
    unit = "Day (UTC)" if found.days == 1 else "Week from (UTC)"
    return Grid((unit, "Requests", "Refused", "Accounts"), rows)


def _by_reason(found: Statistics) -> Grid:
    return Grid(
        ("Refused for", "Requests"),
        tuple((in_words(code), f"{number:,}") for code, number in found.reasons),
    )
