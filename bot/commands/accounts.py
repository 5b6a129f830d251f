"""Accounts: mailed tokens without one, and accounts without a request."""

import asyncio
import io
from datetime import datetime, timedelta

import click
from sqlalchemy import Connection

from bot.answers import Answer, Attachment, Cell, Grid, Line, code
from bot.commands import masks, way_in
from bot.commands.past import AFTER, Past, moment
from bot.commands.registrations import sheet
from bot.commands.table import Call, also, table, when
from bot.sheets import write_rows
from gateway.homeserver.homeserver import HomeserverError
from gateway.rules.durations import format_duration
from gateway.store import search, tokens
from gateway.store.registrations import Registration, Status
from gateway.store.search import Wanted
from gateway.store.tokens import IssuedToken
from gateway.stories.accounts.unknown_accounts import Found, Unknown

_SHOWN = 20  # rows in the answer itself
_MOST = 10_000  # in its file
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)

Waiting = tuple[Registration, IssuedToken | None]


@table.command()
@click.option("--since", type=AFTER, metavar="TIME", help="asked since, such as 7d or 2026-11-01")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def unfulfilled(call: Call, since: Past | None, full: bool) -> Answer:
    """List who was mailed a token and has no account."""
    now = call.desk.clock()
    wanted = Wanted(statuses=(Status.MAILED,), since=moment(since, now))

    def read(connection: Connection) -> tuple[list[Registration], list[Waiting]]:
        found = search.find(connection, wanted, _MOST + 1)
        return found, [(each, _token(connection, each)) for each in found[:_SHOWN]]

    found, shown = await call.desk.database.read(read)
    if not found:
        return Answer(("Everybody who was mailed a token has an account.",))
    is_cut, found = len(found) > _MOST, found[:_MOST]
    rows = tuple(
        (*_waiting(each, full, now), _until(token, now, way_in.end_by_itself(call.desk)))
        for each, token in shown
    )
    lines: list[Line] = [
        _count(len(found), is_cut, "mailed and without an account"),
        Grid(("No.", "Name", "Address", "Mailed", "Token"), rows),
    ]
    if len(found) <= _SHOWN:
        return Answer(tuple(lines))
    return Answer(tuple(lines), attachments=(await asyncio.to_thread(sheet, found, full, now),))


def _token(connection: Connection, each: Registration) -> IssuedToken | None:
    return None if each.token_id is None else tokens.get(connection, each.token_id)


def _waiting(each: Registration, full: bool, now: datetime) -> tuple[Cell, ...]:
    mailed = each.mailed_at or each.created_at
    return (
        str(each.id),
        code(each.name),
        masks.address(each, full=full),
        f"{_age(now - mailed)} ago",
    )


def _until(token: IssuedToken | None, now: datetime, endless: str) -> str:
    if token is None:
        return "unknown"
    if token.withdraw_at is None:
        return endless
    return f"until {when(token.withdraw_at)}" if token.withdraw_at > now else "ended"


def _age(span: timedelta) -> str:
    """How long, in its largest unit."""
    for unit in (_DAY, _HOUR, _MINUTE):
        if span >= unit:
            return format_duration(span // unit * unit)
    return "a moment"


@also("strangers")
@table.command()
@click.argument("what", type=click.Choice(["accounts"]), default="accounts", metavar="accounts")
@click.option("--since", type=AFTER, metavar="TIME", help="made since, such as 7d or 2026-11-01")
@click.pass_obj
async def unknown(call: Call, what: str, since: Past | None) -> Answer:
    """List accounts that were opened past the desk.

    Where the homeserver does not list its accounts, those that its admin room announced are looked
    at. Deactivated ones, guests, the bot's own and those of bridges are left out.
    """
    now = call.desk.clock()
    try:
        found = await call.desk.unknown_accounts.find(None if since is None else since.at(now))
    except HomeserverError as error:
        return Answer((f"The accounts could not be listed: {error}.",), ok=False)
    lines: list[Line] = []
    if not found.is_all:
        lines.append(f"Only the newest {found.looked_at:,} accounts were looked at.")
    if not found.unknown:
        return Answer((*lines, f"None of {found.looked_at:,} accounts is unknown here."))
    what = f"unknown, of {found.looked_at:,} accounts"
    lines.insert(0, _count(len(found.unknown), False, what))
    lines.append(
        Grid(("Name", "Made (UTC)", "Mark"), tuple(map(_stranger, found.unknown[:_SHOWN])))
    )
    if len(found.unknown) <= _SHOWN:
        return Answer(tuple(lines))
    return Answer(tuple(lines), attachments=(_strangers(found, now),))


def _count(number: int, is_cut: bool, what: str) -> str:
    shown = f"; the newest {_SHOWN}:" if number > _SHOWN else ":"
    return f"{'More than ' if is_cut else ''}{number:,} {what}{shown}"


def _stranger(each: Unknown) -> tuple[Cell, ...]:
    return code(each.account.name), _made(each), _mark(each)


def _made(each: Unknown) -> str:
    at = each.account.created_at
    return "unknown" if at is None else f"{at:%Y-%m-%d %H:%M}"


def _mark(each: Unknown) -> str:
    marks = ["admin"] if each.account.is_admin else []
    if each.request is not None:
        number, status = each.request
        marks.append(f"registration {number} is {status}")
    return ", ".join(marks)


def _strangers(found: Found, now: datetime) -> Attachment:
    stream = io.StringIO(newline="")
    rows = ((each.account.name, _made(each), _mark(each)) for each in found.unknown)
    count = write_rows(("name", "created_at", "mark"), rows, stream)
    return Attachment(
        f"unknown-accounts-{now:%Y%m%d-%H%M%S}.csv",
        "text/csv",
        stream.getvalue().encode(),
        f"{count:,} accounts without a request, newest first",
    )
