"""The desk itself: how it stands, closing it for a while, opening it again."""

from datetime import timedelta

import click

from bot.answers import Answer
from bot.commands import standing
from bot.commands.table import SPAN, Call, also, table, when


@table.command()
@click.pass_obj
async def status(call: Call) -> Answer:
    """Say how the desk stands."""
    found = await standing.read(call.desk)
    return Answer(tuple(standing.lines(call.desk, found)), ok=not call.desk.bans.faults)


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
