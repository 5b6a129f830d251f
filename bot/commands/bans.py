"""Bans: set them, and lift them."""

from datetime import datetime, timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.ban_values import MOMENT, neighbours, read_values, rolled_up
from bot.commands.table import SPAN, Call, Listing, table, when
from gateway.rules.bans import Ban

_VALUES = "[ip|email|name] VALUE..."


def told_of(ban: Ban) -> tuple[Part, ...]:
    """All that a ban's line says."""
    parts: list[Part] = [f"{ban.kind} ", code(ban.value)]
    if ban.review:
        parts.append(" for review")
    if ban.until:
        parts.append(f" until {when(ban.until)}")
    if ban.by:
        parts += [" by ", code(ban.by)]
    if ban.at:
        parts.append(f" at {when(ban.at)}")
    if ban.reason:
        parts += [": ", code(ban.reason)]
    return tuple(parts)


class _ValuesFirst(Listing):
    """Takes no values after the reason: they are the rest of one without quotation marks."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for at, word in enumerate(args):
            after = args[at + 1 if word.startswith("--reason=") else at + 2 :]
            if word.startswith("--reason") and at and after and not after[0].startswith("-"):
                raise click.UsageError(
                    "Values stand before the reason, and a reason of several words in quotation"
                    " marks.",
                    ctx,
                )
        return super().parse_args(ctx, args)


@table.command(cls=_ValuesFirst)
@click.argument("values", nargs=-1, required=True, metavar=_VALUES)
@click.option("--for", "span", type=SPAN, metavar="SPAN", help="how long, such as 7d")
@click.option("--until", type=MOMENT, metavar="TIME", help="until when, such as 2026-12-01T12:00")
@click.option("--reason", default="", metavar="TEXT", help="why, for the other moderators")
@click.option("--review", is_flag=True, help="ask for a look at what it hits, refuse nothing")
@click.option("--network", is_flag=True, help="the /24 or /64 around each single IP address")
@click.option("--dry-run", is_flag=True, help="only say what would be done")
@click.pass_obj
async def ban(
    call: Call,
    values: tuple[str, ...],
    span: timedelta | None,
    until: datetime | None,
    reason: str,
    review: bool,
    network: bool,
    dry_run: bool,
) -> Answer:
    """Ban addresses, networks, e-mail addresses or name patterns.

    ip: an address or network. email: an address, @domain with its subdomains, or a pattern with
    * and ?. name: a regular expression (RE2) that is searched for in the name, ignoring case.
    Without the kind it is guessed, except for names. Several values are divided by spaces, commas
    or line breaks; what follows a # in a line is ignored. They are banned all, or none.
    """
    until = _end(call.desk.clock(), span, until)
    wanted, faults = read_values(values)
    if faults:
        return Answer(("Nothing was banned.", *faults), ok=False)
    near = neighbours(wanted)
    if network:
        wanted = rolled_up(wanted)
    drafted = call.desk.moderation.draft(
        call.author, wanted, until=until, reason=reason, review=review
    )
    if dry_run:
        new = [each for each in drafted if not call.desk.bans.book.covers(each)]
        verb = "Would ban "
    else:
        new = await call.desk.moderation.ban(call.author, drafted)
        verb = "Banned "
    lines: list[Line] = [(verb, *told_of(each)) for each in new]
    if len(new) < len(drafted):
        lines.append(f"{len(drafted) - len(new)} banned already, for as long or longer.")
    if near and not network:
        parts = [part for each in near for part in (", ", code(each))][1:]
        lines.append(("Several of these are neighbours: ", code("--network"), " bans ", *parts))
    return Answer(tuple(lines))


def _end(now: datetime, span: timedelta | None, until: datetime | None) -> datetime | None:
    if span is not None and until is not None:
        raise click.UsageError("--for and --until exclude each other: give one of them.")
    if until is not None and until <= now:
        raise click.UsageError(f"{when(until)} is over: a ban ends in the future.")
    return until if span is None else now.replace(microsecond=0) + span


@table.command(cls=Listing)
@click.argument("values", nargs=-1, required=True, metavar=_VALUES)
@click.pass_obj
async def unban(call: Call, values: tuple[str, ...]) -> Answer:
    """Lift bans; the value is written as `bans` shows it."""
    wanted, faults = read_values(values)
    if faults:
        return Answer(("Nothing was lifted.", *faults), ok=False)
    gone = await call.desk.moderation.unban(call.author, wanted)
    lines: list[Line] = [("Lifted ", *told_of(each)) for each in gone]
    lifted = {(each.kind, each.value) for each in gone}
    missing = [each for each in wanted if each not in lifted]
    lines += [(f"There is no {kind} ban on ", code(value), ".") for kind, value in missing]
    return Answer(tuple(lines), ok=not missing)
