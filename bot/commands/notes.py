"""Notes: what moderators write for each other about a registration or a ban."""

import re
from collections.abc import Iterable

import click

from bot.answers import Answer, Line, code
from bot.commands.table import Call, table, when
from gateway.rules.bans import Kind, guess_kind
from gateway.store.notes import Note

_NUMBER = re.compile(r"#?([0-9]{1,18})")


def told_notes(notes: Iterable[Note]) -> list[Line]:
    """Notes, one a line."""
    return [("Note by ", code(n.who), f" at {when(n.at)}: ", code(n.text)) for n in notes]


@table.command()
@click.argument("subject", nargs=-1, required=True, metavar="ID|VALUE TEXT")
@click.pass_obj
async def note(call: Call, subject: tuple[str, ...]) -> Answer:
    """Write a note on a registration or on a ban.

    A registration is given by its number, a ban by its value; before a name pattern stands its
    kind: note name ^free TEXT. Notes are seen in the room alone, and never deleted.
    """
    kind = Kind(subject[0].lower()) if subject[0].lower() in set(Kind) else None
    about, *words = subject if kind is None else subject[1:] or ("",)
    text = " ".join(words)
    if not text:
        raise click.UsageError(
            "A note needs a subject and a text: note 12 TEXT, or note @spam.example TEXT"
        )
    number = _NUMBER.fullmatch(about)
    if number and kind is None:
        await call.desk.notebook.on_registration(call.author, int(number[1]), text)
        return Answer((f"Noted on registration {number[1]}.",))
    if kind is None and guess_kind(about) is Kind.NAME:
        raise click.UsageError(
            f"{about!r} is no number and no address; for a pattern write: note name {about} TEXT"
        )
    kind = kind or guess_kind(about)
    await call.desk.notebook.on_ban(call.author, kind, about, text)
    return Answer(((f"Noted on the {kind} ban on ", code(about), "."),))
