"""The audit: who did what, and when."""

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.masks import masked
from bot.commands.table import ENTRY, Call, also, table, when
from gateway.rules.bans import Kind
from gateway.store import audit as store
from gateway.store.audit import Entry

_MOST = 20  # entries in one answer


@also("audit")
@table.command()
@click.argument("words", nargs=-1, metavar="[NUMBER|TEXT]")
@click.option("--before", type=ENTRY, metavar="NUMBER", help="only entries before this one")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def log(call: Call, words: tuple[str, ...], before: int | None, full: bool) -> Answer:
    """Show who did what, newest first.

    With TEXT the actions that mention it, with a number that entry in full.
    """
    text = " ".join(words)
    if text.removeprefix("#").isdecimal():
        return await _in_full(call, ENTRY.convert(text, None, None), full)
    entries = await call.desk.database.read(
        lambda c: store.search(c, text, _MOST + 1, before=before)
    )
    if not entries:
        nothing = "Nothing was done yet." if not text and before is None else "No such action."
        return Answer((nothing,))
    shown = entries[:_MOST]
    count = "One action" if len(shown) == 1 else f"{len(shown)} actions, newest first"
    lines: list[Line] = [f"{count} (number, UTC, who, what)"]
    lines += [_row(entry, full) for entry in shown]
    if len(entries) > _MOST:
        older = " ".join(["log", *words, "--before", str(shown[-1].id)])
        lines.append(("Older ones: ", code(older)))
    return Answer(tuple(lines))


def _row(entry: Entry, full: bool) -> Line:
    def outside(text: str) -> Part:
        return code(text if full else masked(text))

    line: list[Part] = [f"{entry.id} · {entry.at:%Y-%m-%d %H:%M} · ", code(entry.who)]
    line += [f" {entry.action}", f" {entry.undoes}" if entry.undoes else "", " "]
    line.append(outside(entry.subject))
    if not _is_about_ban(entry):
        # A ban's line says again what its value, author and reason are.
        if entry.before and entry.after:
            line += [" ", outside(entry.before)]
        if entry.after:
            line += [" → ", outside(entry.after)]
    if entry.reason:
        line += [": ", outside(entry.reason)]
    return tuple(line)


def _is_about_ban(entry: Entry) -> bool:
    return entry.subject.partition(" ")[0] in set(Kind) and entry.action != "note"


async def _in_full(call: Call, number: int, full: bool) -> Answer:
    entry, undone = await call.desk.database.read(
        lambda c: (store.get(c, number), store.undoing(c, number))
    )
    if entry is None:
        raise click.UsageError(f"There is no entry {number}.")
    told = {
        "Who": entry.who,
        "What": f"{entry.action} {entry.subject}",
        "Before": entry.before,
        "After": entry.after,
        "Reason": entry.reason,
        "From event": entry.event_id,
    }
    lines: list[Line] = [f"Entry {number}, {when(entry.at)}"]
    lines += [
        (f"{name}: ", code(text if full else masked(text))) for name, text in told.items() if text
    ]
    if entry.undoes is not None:
        lines.append(f"It takes back entry {entry.undoes}.")
    if undone is not None:
        lines.append((f"Taken back in entry {undone.id} by ", code(undone.who), "."))
    return Answer(tuple(lines))
