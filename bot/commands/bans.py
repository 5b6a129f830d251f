"""Bans: set one, lift one, list them, and ask what a value would meet."""

import asyncio
import heapq
from datetime import UTC, datetime, timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.table import KIND, SPAN, Call, table, when
from gateway.rules.addresses import parse_address
from gateway.rules.bans import Ban, Kind, canonical, guess_kind
from gateway.rules.names import parse_name
from gateway.rules.networks import plain_address

_MOST = 50  # bans in one answer
_UNKNOWN = datetime.min.replace(tzinfo=UTC)


def _told(values: tuple[str, ...]) -> list[tuple[Kind, str]]:
    """Values with their kinds; the kind stands before them, or is guessed for addresses."""
    if values[0].lower() in set(Kind):
        if len(values) == 1:
            raise click.UsageError(f"What {values[0]} is meant? A value is missing.")
        return [(Kind(values[0].lower()), value) for value in values[1:]]
    guessed = [(guess_kind(value), value) for value in values]
    for kind, value in guessed:
        if kind is Kind.NAME:
            # Any word is a pattern; a typing mistake should not become a ban.
            raise click.UsageError(
                f"{value!r} is no address. For a pattern in names write: ban name {value}"
            )
    return guessed


def _told_of(ban: Ban) -> tuple[Part, ...]:
    parts: list[Part] = [f"{ban.kind} ", code(ban.value)]
    if ban.until:
        parts.append(f" until {when(ban.until)}")
    if ban.by:
        parts += [" by ", code(ban.by)]
    if ban.at:
        parts.append(f" at {when(ban.at)}")
    if ban.reason:
        parts += [": ", code(ban.reason)]
    return tuple(parts)


def _newest(bans: list[Ban]) -> list[Ban]:
    """The newest first, of all kinds; those of unknown age last."""
    ages = ((ban.at or _UNKNOWN, at) for at, ban in enumerate(bans))
    return [bans[at] for _, at in heapq.nlargest(_MOST, ages)]


class _ValuesFirst(click.Command):
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
@click.argument("values", nargs=-1, required=True, metavar="[ip|email|name] VALUE...")
@click.option("--for", "span", type=SPAN, metavar="SPAN", help="how long, such as 7d")
@click.option("--reason", default="", metavar="TEXT", help="why, for the other moderators")
@click.pass_obj
async def ban(call: Call, values: tuple[str, ...], span: timedelta | None, reason: str) -> Answer:
    """Ban addresses, networks, e-mail addresses or name patterns.

    ip: an address or network. email: an address, @domain with its subdomains, or a pattern with
    * and ?. name: a regular expression (RE2) that is searched for in the name, ignoring case.
    Without the kind it is guessed, except for names.
    """
    wanted = _told(values)
    new = await call.desk.moderation.ban(call.author, wanted, span, reason)
    lines: list[Line] = [("Banned ", *_told_of(each)) for each in new]
    if len(new) < len(wanted):
        lines.append(f"{len(wanted) - len(new)} banned already, for as long or longer.")
    return Answer(tuple(lines))


@table.command()
@click.argument("values", nargs=-1, required=True, metavar="[ip|email|name] VALUE...")
@click.pass_obj
async def unban(call: Call, values: tuple[str, ...]) -> Answer:
    """Lift bans; the value is written as `bans` shows it."""
    lines: list[Line] = []
    missing = False
    # Each is read before the first is lifted.
    for kind, value in [(kind, canonical(kind, value)) for kind, value in _told(values)]:
        gone = await call.desk.moderation.unban(call.author, kind, value)
        lines += [("Lifted ", *_told_of(each)) for each in gone[:1]]
        if not gone:
            missing = True
            lines.append((f"There is no {kind} ban on ", code(value), "."))
    return Answer(tuple(lines), ok=not missing)


@table.command()
@click.argument("kind", required=False, metavar="[ip|email|name]")
@click.argument("text", required=False)
@click.pass_obj
async def bans(call: Call, kind: str | None, text: str | None) -> Answer:
    """List the bans, or those whose line contains TEXT."""
    known = kind is not None and kind.lower() in set(Kind)
    if kind is not None and not known:
        if text is not None:
            raise click.UsageError(f"{kind!r} is no kind of ban: ip, email or name.")
        kind, text = None, kind
    found = await call.desk.bans.search(
        Kind(kind.lower()) if kind is not None else None, text or ""
    )
    if not found:
        return Answer(("No ban.",))
    newest = await asyncio.to_thread(_newest, found)
    lines: list[Line] = [f"{len(found)} {'ban' if len(found) == 1 else 'bans'}, newest first"]
    lines += [_told_of(each) for each in newest]
    if len(found) > _MOST:
        lines.append(f"… {len(found) - _MOST} more: say what to look for.")
    return Answer(tuple(lines))


@table.command()
@click.argument("kind", type=KIND)
@click.argument("value")
@click.pass_obj
async def test(call: Call, kind: str, value: str) -> Answer:
    """Say which bans a value meets: an IP address, an e-mail address or a user name."""
    book, now = call.desk.bans.book, call.desk.clock()
    if kind == Kind.IP:
        hits = book.networks(plain_address(value), now)
    elif kind == Kind.EMAIL:
        hits = book.addresses(parse_address(value), now)
    else:
        hits = book.names(parse_name(value, call.desk.settings.server_name), now)
    if not hits:
        return Answer((("No ban hits ", code(value), "."),))
    found = [each for each in await call.desk.bans.search(Kind(kind)) if each.value in hits]
    count = f"{len(hits)} {'ban' if len(hits) == 1 else 'bans'}"
    lines: list[Line] = [(code(value), f" meets {count}:")]
    return Answer((*lines, *map(_told_of, found)))
