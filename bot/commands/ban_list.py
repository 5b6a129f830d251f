"""What is banned: the bans in force, and those that a value meets."""

import asyncio
import heapq
from datetime import UTC, datetime

import click

from bot.answers import Answer, Line, code
from bot.commands.bans import told_of
from bot.commands.table import KIND, Call, table
from gateway.rules.addresses import parse_address
from gateway.rules.bans import Ban, Kind
from gateway.rules.names import parse_name
from gateway.rules.networks import plain_address

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
    lines += [told_of(each) for each in newest]
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
    found = await call.desk.bans.standing((Kind(kind), each) for each in hits)
    count = f"{len(hits)} {'ban' if len(hits) == 1 else 'bans'}"
    lines: list[Line] = [(code(value), f" meets {count}:")]
    return Answer((*lines, *map(told_of, found)))
