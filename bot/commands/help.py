"""Help: every command in one line, or one command in full."""

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.table import also, table
from bot.mistakes import nearest


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
    """A command in one line: the first sentence of what it says of itself."""
    text = " ".join((command.help or "").partition("\n\n")[0].split())
    return (code(path), f" {text.partition('. ')[0].removesuffix('.')}.")


def _in_full(command: click.Command, path: str) -> Answer:
    context = _context(command, path)
    lines: list[Line] = [("Usage: ", code(usage(command, path)))]
    lines += [" ".join(each.split()) for each in (command.help or "").split("\n\n")]
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            lines.append((code(record[0]), f" {record[1]}"))
    if isinstance(command, click.Group):
        lines += [_summary(each, f"{path} {name}") for name, each in command.commands.items()]
    aliases = table.others(path)
    if aliases:
        lines.append(("Also: ", *_listed(aliases)))
    return Answer(tuple(lines))


def _listed(names: list[str]) -> tuple[Part, ...]:
    parts: list[Part] = [code(names[0])]
    for name in names[1:]:
        parts += [", ", code(name)]
    return tuple(parts)


@also("?", "commands")
@table.command()
@click.argument("command", nargs=-1, metavar="[COMMAND]")
async def help(command: tuple[str, ...]) -> Answer:
    """Show the commands, or one of them in full."""
    if not command:
        return Answer(("Commands; help COMMAND tells more", *overview()))
    path, found = table.named(command)
    if len(path) < len(command):
        known = table.names() if found is table else getattr(found, "commands", ())
        word = command[len(path)]
        near = nearest(word, known)
        raise click.NoSuchCommand(word, possibilities=[near] if near else None)
    return _in_full(found, " ".join(path))


def overview() -> list[Line]:
    """All commands in one line each, chapter by chapter."""
    lines: list[Line] = []
    for title, modules in table.chapters.items():
        lines.append(f"{title}:")
        for command in (each for module in modules for each in table.of(module)):
            name = command.name or ""
            lines.append(_summary(command, name))
            if isinstance(command, click.Group):
                lines += [_summary(each, f"{name} {sub}") for sub, each in command.commands.items()]
    return lines
