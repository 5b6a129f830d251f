"""The takeover: what the plan of an import says is done, in steps that may be repeated."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection

from bot.legacy.config import TEMPLATES, NewConfig
from bot.legacy.lists import OldRegistration
from bot.legacy.plan import CONFIG, Plan, has_shared_token
from bot.new_file import new_file
from gateway.clock import Clock, utc_now
from gateway.homeserver.homeserver import Token
from gateway.homeserver.token_file import TokenFile
from gateway.rules.bans import Ban
from gateway.rules.tokens import Schedule
from gateway.settings.settings import Settings
from gateway.store import audit, imports, tokens
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database

_BATCH = 500  # registrations in one transaction, so that a running desk waits for none
_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)  # the slot of a shared token that never rotates


async def carry_out(plan: Plan, author: Author, clock: Clock = utc_now) -> None:
    """Do what the plan says.

    Raises OSError, HomeserverError or sqlalchemy.exc.SQLAlchemyError; what was done before stays,
    and the next import finds it.
    """
    if plan.is_config_new and plan.config is not None:
        _write_config(plan.beside, plan.config)
    if plan.settings is None:
        return
    settings = plan.settings
    database = Database(settings.state / "porter.db")
    try:
        await asyncio.to_thread(database.open)
        banned = await _ban(plan, settings, author, clock)
        taken = await _record(plan, settings, database)
        if plan.token is not None:
            await _put_in_force(settings, database, plan.token, clock)
        what = f"{banned} bans, {taken} registrations, {'a' if plan.token else 'no'} token"
        await database.write(
            lambda c: audit.note(c, author, "import", "older system", clock(), after=what)
        )
    finally:
        await database.close()


def _write_config(beside: Path, config: NewConfig) -> None:
    folder = beside.with_name(TEMPLATES)
    if config.templates:
        folder.mkdir(exist_ok=True)
    for name, text in config.templates.items():
        with new_file(folder / name) as stream:
            stream.write(text.encode())
    with new_file(beside.with_name(CONFIG)) as stream:
        stream.write(config.text.encode())


async def _ban(plan: Plan, settings: Settings, author: Author, clock: Clock) -> int:
    settings.bans.mkdir(parents=True, exist_ok=True)
    files, now = BanFiles(settings.bans), clock().replace(microsecond=0)
    await asyncio.to_thread(files.load)
    wanted = [Ban(b.kind, b.value, None, author.who, now, "imported") for b in plan.new_bans]
    return len(await files.add(wanted))


async def _record(plan: Plan, settings: Settings, database: Database) -> int:
    hold, taken = settings.registration.name_hold, 0
    for start in range(0, len(plan.registrations), _BATCH):
        batch = plan.registrations[start : start + _BATCH]

        def record(connection: Connection, batch: list[OldRegistration] = batch) -> int:
            return sum(
                imports.take_over(connection, old.request, old.at, old.at + hold) for old in batch
            )

        taken += await database.write(record)
    return taken


async def _put_in_force(settings: Settings, database: Database, value: str, clock: Clock) -> None:
    """Written down before the homeserver hears of it, as every token."""
    rules = settings.tokens
    schedule = None if rules.rotation is None else Schedule(rules.rotation, rules.downtime)

    def prepare(connection: Connection) -> int | None:
        now = clock()
        if has_shared_token(connection):
            return None  # the desk was started meanwhile
        slot = tokens.free_slot(connection, schedule.slot(now) if schedule else _ALWAYS, now)
        return tokens.prepare_shared(connection, slot, value, now).id

    number = await database.write(prepare)
    if number is not None and settings.homeserver.token_file is not None:
        await TokenFile(settings.homeserver.token_file).issue(Token(value))
        await database.write(lambda c: tokens.issued(c, number, value, None, clock()))
