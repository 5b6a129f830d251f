"""The desk itself: how it stands, closing it for a while, opening it again."""

import shutil
from datetime import timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.table import SPAN, Call, also, table, when
from gateway.store import outbox, registrations, tokens

_DAY = timedelta(days=1)


@table.command()
@click.pass_obj
async def status(call: Call) -> Answer:
    """Say how the desk stands."""
    desk, now = call.desk, call.desk.clock()

    opening, (depth, oldest), counts, own, shared = await desk.database.read(
        lambda c: (
            desk.hours.standing(c, now),
            outbox.depth(c),
            registrations.counts(c, now - _DAY),
            len(tokens.outstanding(c, now)),
            tokens.current_shared(c),
        )
    )
    lines: list[Line] = []
    if opening.is_open:
        closes = f", closes at {when(opening.changes_at)}" if opening.changes_at else ""
        lines.append(f"The desk is open{closes}.")
    else:
        until = when(opening.changes_at) if opening.changes_at else "somebody resumes it"
        line: list[Part] = [f"The desk is closed until {until}"]
        line += [": ", code(opening.message)] if opening.message else ["."]
        lines.append(tuple(line))
    heard = ", ".join(f"{number} {each}" for each, number in sorted(counts.items())) or "none"
    lines.append(f"Requests within a day: {heard}.")
    lines.append(f"Mails owed: {depth}" + (f", the oldest since {when(oldest)}." if depth else "."))
    if desk.settings.tokens.mode == "shared":
        since = "not in force yet" if shared is None else f"in force since {when(shared.issued_at)}"
        lines.append(f"Shared token: {since}.")
    else:
        lines.append(f"Tokens that may still open an account: {own}.")
    lines.append(f"Bans in force: {len(desk.bans.book)}.")
    lines += [("Ban file fault: ", code(fault)) for fault in desk.bans.faults[:5]]
    free = shutil.disk_usage(desk.settings.state).free
    lines.append(f"Disk: {free / 2**30:.1f} GiB free.")
    return Answer(tuple(lines), ok=not desk.bans.faults)


@also("close")
@table.command()
@click.option("--for", "span", type=SPAN, metavar="SPAN", help="how long, such as 2h")
@click.option("--message", metavar="TEXT", help="shown on the page meanwhile")
@click.pass_obj
async def pause(call: Call, span: timedelta | None, message: str | None) -> Answer:
    """Close the desk; mails that are owed still go out."""
    opening = await call.desk.hours.pause(call.author, span, message)
    until = f"until {when(opening.changes_at)}" if opening.changes_at else "until `resume`"
    return Answer((f"The desk is closed {until}.",))


@also("unpause", "open")
@table.command()
@click.pass_obj
async def resume(call: Call) -> Answer:
    """Open the desk again."""
    if not await call.desk.hours.resume(call.author):
        return Answer(("The desk was not paused.",))
    return Answer(("The desk is open again.",))
