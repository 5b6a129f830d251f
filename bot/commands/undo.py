"""Taking back what was done."""

import click

from bot.answers import Answer, Line, code
from bot.commands.table import ENTRY, Call, table
from gateway.store.audit import Entry


def _told(entry: Entry) -> Line:
    undone = f"Entry {entry.undoes} is taken back" if entry.undoes else "Taken back"
    what = f"{undone} (entry {entry.id}): "
    if entry.subject == "desk":
        return (what, "the desk is ", code(entry.after or ""), ".")
    if entry.subject.startswith(("alert ", "account ")):
        return (what, code(entry.subject), f" is {entry.after}.")
    if entry.subject.startswith("registration "):
        state = "under review again" if entry.after == "review" else entry.after
        return (what, f"{entry.subject} is {state}.")
    done = "banned again" if entry.after else "no longer banned"
    return (what, code(entry.subject), f" is {done}.")


@table.command()
@click.argument("number", type=ENTRY, required=False, metavar="[NUMBER]")
@click.pass_obj
async def undo(call: Call, number: int | None) -> Answer:
    """Take back an action: your own last one, or one by number.

    The number is that in `log`.
    """
    undone = await call.desk.undoing.undo(call.author, number)
    return Answer((*map(_told, undone.done), *undone.faults), ok=not undone.faults)
