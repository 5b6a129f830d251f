"""The operator's commands beside running the desk, from check to rotate-key."""

import asyncio
import io
import logging
import sys
import threading
from itertools import takewhile
from pathlib import Path
from typing import BinaryIO, TextIO

import click
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bot.account import session_of
from bot.legacy.plan import make_plan
from bot.legacy.takeover import carry_out
from bot.new_file import new_file
from bot.operator.backup import NOT_IN_IT, BackupError, back_up
from bot.operator.check import check as find_faults
from bot.process import at_the_terminal, settings_of
from bot.room.session import Refused, RoomError, Session, Unanswered
from bot.room.signing import reset
from bot.sheets import FORMATS
from gateway import log
from gateway.clock import utc_now
from gateway.homeserver.homeserver import HomeserverError
from gateway.rules.letters import visible
from gateway.settings.settings import Settings
from gateway.store import audit, registrations
from gateway.store.database import Database, complaint
from gateway.store.keyring import Keyring

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.pass_context
def check(context: click.Context) -> None:
    """Find everything that is wrong, in the configuration and around it."""
    log.configure(level=logging.CRITICAL)  # what the log would say is among the findings
    config = context.find_root().params["config"]
    found = asyncio.run(find_faults(config))
    for finding in found:
        click.echo(visible(str(finding)))
    faults = sum(not finding.is_warning for finding in found)
    if faults:
        click.echo(f"{faults} {'fault' if faults == 1 else 'faults'} to mend.")
        sys.exit(1)
    click.echo(f"ready: {config} and everything that it names can be used.")


@click.command("import")
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--yes", is_flag=True, help="Do not ask before it is done.")
@click.pass_context
def import_(context: click.Context, folder: Path, yes: bool) -> None:
    """Bring over the older installation in FOLDER.

    Its configuration, ban lists, registrations and token. Shows what it will do, and asks. It may
    be repeated: what is here already is left alone.
    """
    config: Path = context.find_root().params["config"]
    settings = settings_of(context) if config.exists() else None
    try:
        plan = asyncio.run(make_plan(folder, config, settings))
        for line in plan.faults or plan.lines():
            click.echo(visible(line))
        if plan.faults:
            raise click.ClickException("Nothing was imported: mend or remove these files first.")
        if plan.is_empty:
            click.echo("Nothing new.")
            return
        if not yes:
            click.confirm("Import this?", abort=True)
        asyncio.run(carry_out(plan, at_the_terminal()))
    except (OSError, HomeserverError, SQLAlchemyError) as error:
        raise click.ClickException(
            f"{_reason(error)}. What is missing can be imported again."
        ) from None
    click.echo("Done.")


@click.group()
def export() -> None:
    """Write out what the desk keeps."""


@export.command("registrations")
@click.option("--format", "form", type=click.Choice([*FORMATS]), required=True)
@click.option("--output", type=_FILE, help="A new file instead of standard output.")
@click.pass_context
def export_registrations(context: click.Context, form: str, output: Path | None) -> None:
    """Every registration, oldest first."""
    settings = settings_of(context)
    try:
        if output is None:
            _write_out(settings, form, sys.stdout.buffer)
            return
        with new_file(output) as stream:
            count = _write_out(settings, form, stream)
    except BrokenPipeError:
        raise  # whoever reads has enough
    except (OSError, SQLAlchemyError) as error:
        raise click.ClickException(f"Nothing was exported: {_reason(error)}.") from None
    click.echo(f"{output}: {count} registrations.")


def _write_out(settings: Settings, form: str, stream: BinaryIO) -> int:
    # Our own encoding, and line breaks as they are: the same bytes wherever they go.
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    try:
        return asyncio.run(_write(settings, form, text))
    finally:
        text.detach()


async def _write(settings: Settings, form: str, stream: TextIO) -> int:
    database = _database(settings)
    stopped = threading.Event()

    def write(connection: Connection) -> int:
        rows = registrations.every(connection)
        return FORMATS[form](takewhile(lambda _: not stopped.is_set(), rows), stream)

    try:
        await asyncio.to_thread(database.open)
        return await database.read(write)
    finally:
        stopped.set()  # Ctrl-C need not wait for the last row
        await database.close()


@click.command()
@click.argument("file", type=_FILE)
@click.pass_context
def backup(context: click.Context, file: Path) -> None:
    """Copy the database to a new FILE, also while the desk runs."""
    database = _database(settings_of(context))
    try:
        size = back_up(database, file)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"{file}: {size} bytes, checked.\n{NOT_IN_IT}")


@click.command("reset-signing")
@click.pass_context
def reset_signing(context: click.Context) -> None:
    """Give the bot's account fresh signing keys, when its own are lost or another client's.

    Also while the desk runs. Careful clients hear a bot only whose device its account has signed.
    """
    settings = settings_of(context)
    if settings.bot is None:
        raise click.ClickException("bot: missing; without it there is no account to sign for.")
    try:
        signed = asyncio.run(_reset_signing(session_of(settings, settings.bot)))
    except (RoomError, Unanswered, Refused) as error:
        raise click.ClickException(f"Nothing was signed: {str(error).removesuffix('.')}.") from None
    except OSError as error:
        raise click.ClickException(f"Nothing was signed: {_reason(error)}.") from None
    click.echo(
        "The account has fresh signing keys"
        + (", and its device is signed." if signed else "; its device is signed by the first run.")
    )
    click.echo("Whoever verified the bot before must do so again.")


async def _reset_signing(session: Session) -> bool:
    try:
        await session.open(alone=False)
        return await reset(session)
    finally:
        await session.close()


_DROPPED = (
    "The old keys go. Links in mails that were sent work no more, and addresses that are no longer"
    " kept in clear are no longer recognised: whoever had an account with one may get another, and"
    " whoever wanted no more mails may be mailed again."
)
_KEPT = (
    "The desk signs with a fresh key. The old ones stay in force: links in mails that were sent go"
    " on working, and addresses are recognised as before. --drop-old ends them."
)


@click.command("rotate-key")
@click.option("--drop-old", is_flag=True, help="End the old keys too, when somebody has them.")
@click.option("--yes", is_flag=True, help="Do not ask before the old keys are dropped.")
@click.pass_context
def rotate_key(context: click.Context, drop_old: bool, yes: bool) -> None:
    """Give the desk a fresh key, by which it signs links and recognises addresses.

    Also while the desk runs: every process takes it up at once.
    """
    settings = settings_of(context)
    database, keyring = _database(settings), Keyring(settings.state / "keys")
    click.echo(_DROPPED if drop_old else _KEPT)
    if drop_old and not yes:
        click.confirm("Drop them?", abort=True)
    try:
        asyncio.run(_rotate_key(database, keyring, drop_old))
    except (OSError, ValueError) as error:
        raise click.ClickException(f"Nothing was changed: {_reason(error)}.") from None
    except SQLAlchemyError as error:
        raise click.ClickException(
            f"The key may be fresh, and the log does not tell it: {_reason(error)}."
        ) from None
    click.echo("Done.")


async def _rotate_key(database: Database, keyring: Keyring, drop_old: bool) -> None:
    now, author = utc_now(), at_the_terminal()
    try:
        await asyncio.to_thread(database.open)
        keyring.open(now)
        keyring.rotate(now, drop_old=drop_old)
        after = "fresh, without the old ones" if drop_old else "fresh, beside the old ones"
        await database.write(
            lambda c: audit.note(c, author, "rotate-key", "keys", now, after=after)
        )
    finally:
        await database.close()


def _database(settings: Settings) -> Database:
    path = settings.state / "porter.db"
    if not path.is_file():
        raise click.ClickException(f"There is no database {path} yet; it is made by the first run.")
    return Database(path)


def _reason(error: Exception) -> str:
    if isinstance(error, SQLAlchemyError):
        return f"the database cannot be used ({complaint(error)})"
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    return str(error)


COMMANDS: tuple[click.Command, ...] = (check, import_, export, backup, reset_signing, rotate_key)
