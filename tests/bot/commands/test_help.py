"""Help is made from the table, so that it cannot lie."""

import click
import pytest

from bot.commands.table import table


def paths(group=table, prefix=""):
    for name, command in group.commands.items():
        yield prefix + name, command
        if isinstance(command, click.Group):
            yield from paths(command, f"{prefix}{name} ")


async def test_help_names_every_command(typed):
    text = (await typed("help")).plain()
    for path, command in paths():
        assert f"\n{path}" in text
        assert command.get_short_help_str(1000) in text
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


async def test_each_kind_of_ban_has_a_line_of_its_own(typed):
    lines = (await typed("help ban")).plain().splitlines()
    assert [line.partition(":")[0] for line in lines[2:5]] == ["ip", "email", "name"]


async def test_help_for_nothing_says_so_and_names_the_nearest(typed):
    answer = await typed("help bann")
    assert not answer.ok
    assert answer.plain().splitlines() == [
        "help bann",
        "     ^^^^",
        "There is no command bann. Did you mean ban?",
        "Usage: help [COMMAND]",
    ]
    assert "Did you mean rotate?" in (await typed("help token rotat")).plain()
    assert "There is no command x." in (await typed("help ban x")).plain()


async def test_help_fits_a_telephone(typed):
    lines = (await typed("help")).plain().splitlines()
    assert max(map(len, lines)) <= 78


async def test_a_command_tells_its_other_names(typed):
    assert "Also: requests, regs" in (await typed("help registrations")).plain()
    assert (await typed("help regs")).plain() == (await typed("help registrations")).plain()
    assert (await typed("?")).plain() == (await typed("help")).plain()


def test_every_command_stands_in_one_chapter():
    modules = [module for chapter in table.chapters.values() for module in chapter]
    told = [command.name for module in modules for command in table.of(module)]
    assert sorted(map(str, told)) == sorted(table.commands)


def test_no_other_name_hides_a_command():
    assert not set(table.aliases) & set(table.commands)
    assert set(table.aliases.values()) <= set(table.commands)
