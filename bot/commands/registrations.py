"""Registrations: find them by what you have in your hand, in a table and in a file."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import click

from bot.answers import Answer, Attachment, Cell, Grid, Line, code, counted
from bot.commands import masks
from bot.commands.past import AFTER, BEFORE, Past, moment
from bot.commands.table import Call, also, table
from bot.sheets import write_csv
from gateway.rules.addresses import masked
from gateway.rules.networks import IPNetwork
from gateway.rules.screening import in_words
from gateway.store import search
from gateway.store.registrations import Registration, Status
from gateway.store.search import Wanted

_SHOWN = 20  # registrations in the answer itself
_MOST = 10_000  # in its file


class Network(click.ParamType[IPNetwork]):
    """An address or network."""

    name = "network"

    def convert(self, value: Any, param: Any, ctx: Any) -> IPNetwork:
        try:
            return search.read_network(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


class Domain(click.ParamType[str]):
    """A domain, with or without its `@`."""

    name = "domain"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        try:
            return search.read_domain(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)


@also("requests", "regs", "find")
@table.command(name="registrations")
@click.argument("text", nargs=-1, metavar="[TEXT]")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([each.value for each in Status]),
    multiple=True,
    metavar="STATUS",
    help=f"only these ({', '.join(Status)}); may be given several times",
)
@click.option("--since", type=AFTER, metavar="TIME", help="such as 24h, 2026-11-01")
@click.option("--until", type=BEFORE, metavar="TIME", help="such as 7d, or a day, which counts")
@click.option("--network", type=Network(), metavar="NETWORK", help="such as 192.0.2.0/24")
@click.option("--domain", type=Domain(), metavar="DOMAIN", help="with addresses there or below")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.option("--csv", "as_file", is_flag=True, help="a file also of a few")
@click.pass_obj
async def registrations_(
    call: Call,
    text: tuple[str, ...],
    statuses: tuple[str, ...],
    since: Past | None,
    until: Past | None,
    network: IPNetwork | None,
    domain: str | None,
    full: bool,
    as_file: bool,
) -> Answer:
    """Find requests by name, address, network or domain.

    A network or IP address as TEXT finds what came from there, an e-mail address what its mailbox
    asked for in any spelling, @domain all its addresses; other TEXT stands anywhere in these.
    More than fit into the answer come as a file.
    """
    now = call.desk.clock()
    asked = Wanted(
        network=network,
        domain=domain,
        statuses=tuple(map(Status, statuses)),
        since=moment(since, now),
        until=moment(until, now),
    )
    wanted = search.both(asked, search.understood(" ".join(text)))
    if wanted.address:
        # Also what was forgotten of it.
        known = call.desk.keyring.pseudonyms(wanted.address)
        wanted = replace(wanted, pseudonyms=known)
    found = await call.desk.database.read(lambda c: search.find(c, wanted, _MOST + 1))
    if not found:
        return Answer(("No registration found.",))
    is_cut, found = len(found) > _MOST, found[:_MOST]
    shown = found[:_SHOWN]
    rows = tuple(_row(each, full, now) for each in shown)
    head = ("No.", "UTC", "State", "Name", "Address", "IP" if full else "Network")
    lines: list[Line] = [_count(len(found), is_cut, as_file), Grid(head, rows)]
    if len(found) <= _SHOWN and not as_file:
        return Answer(tuple(lines))
    if is_cut:
        all_of_them = "porter export registrations --format csv"
        lines.append((f"The file ends with the newest {_MOST:,}; all: ", code(all_of_them)))
    file = await asyncio.to_thread(sheet, found, full, now)
    return Answer(tuple(lines), attachments=(file,))


def _count(number: int, is_cut: bool, as_file: bool) -> str:
    if is_cut:
        return f"More than {number:,} found; the newest {min(number, _SHOWN)}:"
    if number > _SHOWN:
        return f"{number:,} found; the newest {_SHOWN}, and all in the file:"
    return f"{number} found, also in the file:" if as_file else f"{number} found:"


def _row(each: Registration, full: bool, now: datetime) -> tuple[Cell, ...]:
    reasons = ", ".join(in_words(reason["code"]) for reason in (*each.refusals, *each.reviews))
    asked = f"{each.created_at:%m-%d %H:%M}"
    return (
        str(each.id),
        asked if each.created_at.year == now.year else f"{each.created_at:%Y}-{asked}",
        f"{each.status} ({reasons})" if reasons else each.status.value,
        code(each.name),
        masks.address(each, full=full),
        masks.place(each, full=full),
    )


def sheet(found: Sequence[Registration], full: bool, now: datetime) -> Attachment:
    """Registrations as a CSV file."""
    stream = io.StringIO(newline="")
    write_csv(found if full else map(_without_person, found), stream)
    how = "in full" if full else "masked"
    return Attachment(
        f"registrations-{now:%Y%m%d-%H%M%S}.csv",
        "text/csv",
        stream.getvalue().encode(),
        f"{counted(len(found), 'registration')}, newest first, addresses {how}",
    )


def _without_person(each: Registration) -> Registration:
    return replace(
        each, email=masked(each.email), email_key=masked(each.email_key), ip=each.network
    )
