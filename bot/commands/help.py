"""Help: every command in one line, or one command in full."""

import click

from bot.answers import Answer, Line, code
from bot.commands.table import Table, table

_TITLES = {
    "bans": "Bans",
    "ban_list": "What is banned",
    "registrations": "Registrations",
    "tokens": "Tokens",
    "desk": "The desk",
    "audit": "The audit",
    "undo": "Taking back",
    "notes": "Notes",
    "questions": "Questions",
    "help": "Help",
}


def usage(command: click.Command, path: str) -> str:
    """How a command is written, without the bot's name."""
    pieces = command.collect_usage_pieces(_context(command, path))
    if not any(isinstance(each, click.Option) for each in command.params):
        pieces.remove("[OPTIONS]")
    return " ".join([path, *pieces])


def _context(command: click.Command, path: str) -> click.Context:
    # Under a context without --help, which is a command of its own here.
    return click.Context(command, info_name=path, parent=click.Context(table, help_option_names=[]))


def _summary(command: click.Command, path: str) -> Line:
    context = _context(command, path)
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    return (code(" ".join([path, *pieces])), f" {command.get_short_help_str(90)}")


def _in_full(command: click.Command, path: str) -> Answer:
    context = _context(command, path)
    lines: list[Line] = [("Usage: ", code(usage(command, path)))]
    text = " ".join((command.help or "").split())
    lines.append(text)
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            lines.append((code(record[0]), f" {record[1]}"))
    if isinstance(command, click.Group):
        lines += [_summary(each, f"{path} {name}") for name, each in command.commands.items()]
    return Answer(tuple(lines))


@table.command()
@click.argument("command", nargs=-1, metavar="[COMMAND]")
async def help(command: tuple[str, ...]) -> Answer:
    """Show the commands, or one of them in full."""
    if command:
        command = tuple(map(str.lower, command))
        found: click.Command | None = table
        for name in command:
            found = found.commands.get(name) if isinstance(found, click.Group) else None
        if found is None:
            raise click.UsageError(f"There is no command {' '.join(command)!r}.")
        return _in_full(found, " ".join(command))
    return Answer(("Commands; help COMMAND tells more", *overview(table)))


def overview(commands: Table) -> list[Line]:
    """All commands, chapter by chapter."""
    lines: list[Line] = []
    chapters = commands.chapters()
    for chapter, title in _TITLES.items():
        lines.append(f"{title}:")
        for command in chapters.get(chapter, []):
            name = command.name or ""
            lines.append(_summary(command, name))
            if isinstance(command, click.Group):
                lines += [_summary(each, f"{name} {sub}") for sub, each in command.commands.items()]
    return lines
