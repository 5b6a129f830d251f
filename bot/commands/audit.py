"""The audit: who did what, and when."""

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.table import Call, table
from gateway.store import audit as store


@table.command()
@click.argument("text", required=False, default="")
@click.pass_obj
async def log(call: Call, text: str) -> Answer:
    """Show the last actions, or those that mention TEXT."""
    entries = await call.desk.database.read(lambda c: store.search(c, text))
    if not entries:
        return Answer(("Nothing was done yet.",) if not text else ("No such action.",))
    lines: list[Line] = [f"The last {len(entries)} actions, newest first (UTC)"]
    for entry in entries:
        line: list[Part] = [f"{entry.at:%Y-%m-%d %H:%M} ", code(entry.who), f" {entry.action} "]
        line.append(code(entry.subject))
        if entry.after and entry.action not in ("ban", "unban"):
            line += [" → ", code(entry.after)]
        if entry.reason:
            line += [": ", code(entry.reason)]
        lines.append(tuple(line))
    return Answer(tuple(lines))
