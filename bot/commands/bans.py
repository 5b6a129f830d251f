"""Bans: set them, and lift them."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.ban_values import MOMENT, neighbours, read_values, rolled_up
from bot.commands.table import SPAN, Call, Listing, table, when
from gateway.rules.bans import Ban, Kind
from gateway.rules.durations import format_duration
from gateway.store.precedents import Precedent
from gateway.stories.foresight import Prospect

_MOST_TOLD = 30  # bans in one answer
_MOST_REJECTED = 500  # requests that one answer offers to reject
_MOST_NUMBERS = 20  # of them shown
_VALUES = "[ip|email|name] VALUE..."


def told_of(ban: Ban, *, new: bool = False) -> tuple[Part, ...]:
    """All that a ban's line says; of a new one not who set it and when: he is told just now."""
    parts: list[Part] = [f"{ban.kind} ", code(ban.value)]
    if ban.review:
        parts.append(" for review")
    if ban.until:
        parts.append(f" until {when(ban.until)}")
    if ban.by and not new:
        parts += [" by ", code(ban.by)]
    if ban.at and not new:
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
@click.option("--yes", is_flag=True, help="do not ask, whomever it hits")
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
    yes: bool,
) -> Answer:
    """Ban addresses, networks, e-mail addresses or name patterns.

    ip: an address or network.

    email: an address, @domain with its subdomains, or a pattern with * and ?.

    name: a regular expression (RE2) that is searched for in the name, ignoring case.

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
    new = [each for each in drafted if not call.desk.bans.book.covers(each)]
    if dry_run:
        lines = _listed("Would ban ", new, len(drafted))
        return Answer((*lines, *await _outlook(call, new), *_advice(near, network)))
    # What a crash interrupted was asked before.
    sure = yes or await call.desk.moderation.has_begun(call.author)
    if not sure and (doubts := _doubts(await call.desk.foresight.look(call.author, new))):
        first = f"{'This' if len(new) == 1 else 'These'} would hit:"
        return await call.ask((first, *doubts), _again(values[0], drafted, span, reason))
    done = await call.desk.moderation.ban(call.author, drafted)
    lines = [*_listed("Banned ", done, len(drafted)), *_advice(near, network)]
    return await _with_offer(call, lines, await call.desk.foresight.waiting(_refusing(done)))


def _refusing(bans: Sequence[Ban]) -> list[Ban]:
    return [each for each in bans if not each.review]


async def _with_offer(call: Call, lines: list[Line], waiting: Sequence[Precedent]) -> Answer:
    """The answer to a ban, with the offer to reject what it hits of the open requests."""
    if not waiting:
        return Answer(tuple(lines))
    numbers = [str(each.id) for each in waiting[:_MOST_REJECTED]]
    what = f"I can reject {'it' if len(numbers) == 1 else f'these {len(numbers)}'}."
    asked = await call.ask((*_waiting(waiting), what), ["reject", *numbers, "banned"])
    return Answer((*lines, *asked.lines), offers=asked.offers)


def _waiting(waiting: Sequence[Precedent]) -> list[Line]:
    """How many open requests a ban hits, and the numbers of the first."""
    if not waiting:
        return []
    count = f"{len(waiting)} open {'request is' if len(waiting) == 1 else 'requests are'} hit"
    numbers = ", ".join(str(each.id) for each in waiting[:_MOST_NUMBERS])
    more = f" and {len(waiting) - _MOST_NUMBERS} more" if waiting[_MOST_NUMBERS:] else ""
    return [f"{count}: {numbers}{more}."]


def _listed(verb: str, new: Sequence[Ban], wanted: int) -> list[Line]:
    lines: list[Line] = [(verb, *told_of(each, new=True)) for each in new[:_MOST_TOLD]]
    if new[_MOST_TOLD:]:
        lines.append(f"… and {len(new) - _MOST_TOLD} more.")
    if len(new) < wanted:
        known = wanted - len(new)
        which = "This is" if wanted == 1 else f"{known} of them {'is' if known == 1 else 'are'}"
        lines.append(f"{which} banned already, for as long or longer.")
    return lines


async def _outlook(call: Call, bans: Sequence[Ban]) -> list[Line]:
    """All that is known of what bans would hit."""
    prospect = await call.desk.foresight.look(call.author, bans)
    waiting = await call.desk.foresight.waiting(_refusing(bans))
    if prospect.good:
        who = f"{prospect.good} of the last {prospect.looked_at} who registered well"
    else:
        who = "nobody who registered well"
    return [*_doubts(prospect), f"This hits {who} within 90 days.", *_waiting(waiting)]


def _doubts(prospect: Prospect) -> list[Line]:
    return [
        (f"{each.words[:1].upper()}{each.words[1:]}", code(each.value))
        for each in prospect.concerns
    ]


def _advice(near: Sequence[str], network: bool) -> list[Line]:
    if not near or network:
        return []
    parts = [part for each in near for part in (", ", code(each))][1:]
    return [("Several of these are neighbours: ", code("--network"), " bans ", *parts)]


def _again(first: str, bans: Sequence[Ban], span: timedelta | None, reason: str) -> list[str]:
    """The command that bans these without a question."""
    words = ["ban", "--yes"]
    if span is not None:
        words += ["--for", format_duration(span)]
    elif bans[0].until is not None:
        words += ["--until", bans[0].until.isoformat()]
    if reason:
        words.append(f"--reason={reason}")
    if bans[0].review:
        words.append("--review")
    kind = [first] if first.lower() in set(Kind) else []
    return [*words, "--", *kind, *(each.value for each in bans)]


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
    if missing:
        lines.append((code("test VALUE"), " says which bans hit an address or a name."))
    return Answer(tuple(lines), ok=not missing)
