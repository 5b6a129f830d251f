"""Help is made from the table, so that it cannot lie."""

import click
import pytest

from bot.commands.table import table
from bot.console import CHAPTERS


def paths(group=table, prefix=""):
    for name, command in group.commands.items():
        yield prefix + name, command
        if isinstance(command, click.Group):
            yield from paths(command, f"{prefix}{name} ")


async def test_help_names_every_command(typed):
    text = (await typed("help")).plain()
    for path, command in paths():
        assert f"\n{path}" in text
        assert command.get_short_help_str(90) in text
    assert (await typed("")).plain() == text


@pytest.mark.parametrize("path", [path for path, _ in paths()])
async def test_every_command_is_explained_with_its_options(typed, path):
    answer = await typed(f"help {path}")
    assert answer.ok
    command = dict(paths())[path]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.opts[0] in answer.plain()
    assert (await typed(f"{path} --help")).plain() == answer.plain()


async def test_help_for_nothing_says_so(typed):
    answer = await typed("help bann")
    assert not answer.ok
    assert "There is no command 'bann'." in answer.plain()


def test_every_chapter_has_commands():
    chapters = table.chapters()
    assert set(chapters) == {each.__name__.rpartition(".")[2] for each in CHAPTERS}
