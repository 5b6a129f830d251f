"""The `porter` command: runs the desk, looks after it, and gives the moderators' commands."""

import logging
import os
import sys
from pathlib import Path

import click

from bot.commands.table import table
from bot.console import Console
from bot.mistakes import nearest
from bot.new_file import new_file
from bot.operator.commands import COMMANDS
from bot.process import at_the_terminal, calm_collector, settings_of
from bot.process import run as run_to_end
from bot.service import serve
from gateway import log
from gateway.app import open_desk
from gateway.settings.settings import Settings

_CONFIG = click.Path(path_type=Path)


class Terminal(click.Group):
    """The operator's commands and the moderators', side by side."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self.commands, *(name for name in table.commands if name != "help")]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The operator's commands, then the moderators' in the chapters of their own help."""
        chapters = {"Operator": [*self.commands]}
        for title, modules in table.chapters.items():
            chapters[title] = [each.name or "" for module in modules for each in table.of(module)]
        for title, names in chapters.items():
            with formatter.section(title):
                formatter.write_dl([(name, self._summary(ctx, name)) for name in names])

    def _summary(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        assert command is not None
        return command.get_short_help_str(100)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        name = table.true_name(cmd_name)
        return own if own is not None or name is None else _moderators(name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.NoSuchCommand as error:
            word = error.command_name
            near = nearest(word, [*self.list_commands(ctx), *table.aliases])
            known = [near] if near else None
            raise click.NoSuchCommand(word, possibilities=known, ctx=ctx) from None


def _moderators(name: str) -> click.Command:
    """One command of the moderators' table, its words handed on as they were typed."""

    def call(words: tuple[str, ...]) -> None:
        context = click.get_current_context()
        sys.exit(run_to_end(_carry_out(settings_of(context), [name, *words])))

    return click.Command(
        name,
        callback=call,
        params=[click.Argument(["words"], nargs=-1, type=click.UNPROCESSED)],
        short_help=table.commands[name].get_short_help_str(100),
        context_settings={"ignore_unknown_options": True},
        add_help_option=False,
    )


async def _carry_out(settings: Settings, words: list[str]) -> int:
    async with open_desk(settings) as desk:
        answer = await Console(desk).carry_out(words, at_the_terminal())
    click.echo(answer.plain())
    for attachment in answer.attachments:
        path = Path.cwd() / attachment.name
        try:
            with new_file(path) as stream:
                stream.write(attachment.data)
        except OSError as error:
            raise click.ClickException(f"{path}: not written ({error.strerror}).") from None
        click.echo(f"{path}: {attachment.text.removesuffix('.')}.")
    return 0 if answer.ok else 1


@click.group(cls=Terminal)
@click.option(
    "--config",
    type=_CONFIG,
    default=Path("config.yaml"),
    envvar="PORTER_CONFIG",
    show_default=True,
    help="The configuration file.",
)
@click.version_option(package_name="matrix-porter")
@click.pass_context
def main(context: click.Context, config: Path) -> None:
    """The registration desk of a Matrix homeserver.

    The moderators' commands work here as they do in the room: porter ban @spam.example
    """
    context.obj = config
    os.umask(0o077)  # what Porter makes holds addresses and secrets
    # To standard error, and only what went wrong: the answers go to standard output.
    log.configure(level=logging.WARNING)


@main.command()
@click.pass_context
def run(context: click.Context) -> None:
    """Run the gateway and the bot."""
    _serve(context, gateway=True, bot=True)


@main.command()
@click.pass_context
def gateway(context: click.Context) -> None:
    """Run the page and the mails alone."""
    _serve(context, gateway=True, bot=False)


@main.command()
@click.pass_context
def bot(context: click.Context) -> None:
    """Run the moderators' room alone."""
    _serve(context, gateway=False, bot=True)


for command in COMMANDS:
    main.add_command(command)


@main.command()
@click.option("--tour", is_flag=True, help="End after the tour: status 0, or 1 when it failed.")
@click.pass_context
def demo(context: click.Context, tour: bool) -> None:
    """Try everything on real servers of your own, on this machine alone."""
    try:
        from bot.demo.demo import Demo, DemoError
    except ModuleNotFoundError as error:
        raise click.ClickException(
            f"The demo needs {error.name}: pip install 'matrix-porter[demo]'"
        ) from None
    try:
        sys.exit(run_to_end(Demo(context.obj, _say).run(tour_only=tour)))
    except DemoError as error:
        raise click.ClickException(str(error)) from None


def _say(text: str) -> None:
    click.echo(text)
    sys.stdout.flush()


def _serve(context: click.Context, *, gateway: bool, bot: bool) -> None:
    log.configure()
    settings = settings_of(context)
    if bot and settings.bot is None and gateway:
        click.echo("bot: not configured, so the gateway runs alone.", err=True)
    calm_collector()
    config: Path = context.find_root().params["config"]
    run_to_end(serve(settings, gateway=gateway, bot=bot, config=config))
