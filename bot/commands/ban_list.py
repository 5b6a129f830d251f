"""What is banned: the bans in force, and those that a value meets."""

import asyncio
import heapq
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from bot.answers import Answer, Line, code
from bot.commands.bans import told_of
from bot.commands.notes import told_notes
from bot.commands.table import Call, table, when
from gateway.rules.addresses import parse_address
from gateway.rules.bans import Ban, Kind
from gateway.rules.names import parse_name
from gateway.rules.networks import plain_address
from gateway.store import hits, notes

_MOST = 50  # bans in one answer
_UNKNOWN = datetime.min.replace(tzinfo=UTC)


def _newest(bans: list[Ban]) -> list[Ban]:
    """The newest first, of all kinds; those of unknown age last."""
    ages = ((ban.at or _UNKNOWN, at) for at, ban in enumerate(bans))
    return [bans[at] for _, at in heapq.nlargest(_MOST, ages)]


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
    lines += await _told(call, newest)
    if len(found) > _MOST:
        lines.append(f"… {len(found) - _MOST} more: say what to look for.")
    return Answer(tuple(lines))


@table.command()
@click.argument("words", nargs=-1, required=True, metavar="[ip|email|name] VALUE")
@click.pass_obj
async def test(call: Call, words: tuple[str, ...]) -> Answer:
    """Say which bans a value meets: an IP address, an e-mail address or a user name."""
    kind, value = _asked(words)
    book, now = call.desk.bans.book, call.desk.clock()
    if kind is Kind.IP:
        met = book.networks(plain_address(value), now)
    elif kind is Kind.EMAIL:
        met = book.addresses(parse_address(value), now)
    else:
        met = book.names(parse_name(value, call.desk.settings.server_name), now)
    if not met:
        return Answer((("No ban hits ", code(value), "."),))
    found = await call.desk.bans.standing((kind, each) for each in met)
    count = f"{len(found)} {'ban' if len(found) == 1 else 'bans'}"
    lines: list[Line] = [(code(value), f" meets {count}:")]
    return Answer((*lines, *await _told(call, found)))


def _asked(words: tuple[str, ...]) -> tuple[Kind, str]:
    """The kind of a value, told or guessed."""
    if len(words) == 2 and words[0].lower() in set(Kind):
        return Kind(words[0].lower()), words[1]
    if len(words) > 1:
        raise click.UsageError("One value at a time; before it may stand ip, email or name.")
    try:
        plain_address(words[0])
    except ValueError:
        # A Matrix id begins with an @, and an e-mail address never does.
        return Kind.EMAIL if "@" in words[0][1:] else Kind.NAME, words[0]
    return Kind.IP, words[0]


async def _told(call: Call, bans: Sequence[Ban]) -> list[Line]:
    """Bans with how often they were met and the notes on them."""
    values = [(ban.kind, ban.value) for ban in bans]
    met, noted = await call.desk.database.read(
        lambda c: (
            hits.of(c, values),
            {each: notes.about(c, f"{each[0]} {each[1]}") for each in values},
        )
    )
    lines: list[Line] = []
    for ban in bans:
        line = told_of(ban)
        if seen := met.get((ban.kind, ban.value)):
            line += (f" (met {seen.count} times, last at {when(seen.last_at)})",)
        lines += [line, *told_notes(noted[ban.kind, ban.value])]
    return lines
