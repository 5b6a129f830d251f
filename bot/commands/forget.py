"""Forgetting: all that is held of an address, blanked at once."""

from typing import Any

import click

from bot.answers import Answer, Line, Part, code, counted
from bot.commands.table import Call, table
from gateway.rules.addresses import EmailAddress, masked, parse_address
from gateway.stories.forgetting import Held

_MOST = 20  # numbers of requests, and bans
_ROOM = (
    "What was said in this room stays in its history, your command too: redact it there. So do"
    " logs of the mail server, and backups."
)


class Address(click.ParamType[EmailAddress]):
    """An e-mail address."""

    name = "address"

    def convert(self, value: Any, param: Any, ctx: Any) -> EmailAddress:
        if isinstance(value, EmailAddress):
            return value
        try:
            return parse_address(str(value))
        except ValueError:
            self.fail(f"{str(value)[:60]!r} is no e-mail address.", param, ctx)


@table.command()
@click.argument("address", type=Address(), metavar="ADDRESS")
@click.option("--yes", is_flag=True, help="do not ask")
@click.pass_obj
async def forget(call: Call, address: EmailAddress, yes: bool) -> Answer:
    """Blank all that is held of an e-mail address, in any spelling.

    Its open requests are ended. It goes on to have one account at most, and to get no mail if it
    wants none: for that a keyed hash of it stays.
    """
    if not yes:
        held = await call.desk.forgetting.look(address)
        if not held.requests and not held.mentions:
            return Answer(("Nothing is held of this address.", *_bans(held)))
        first = ("This forgets ", code(masked(address.text)), ":")
        lines = (first, *_outlook(held), *_bans(held), _ROOM)
        return await call.ask(lines, ["forget", "--yes", "--", address.text])
    done = await call.desk.forgetting.forget(call.author, address)
    held = done.held
    lines = (
        f"Forgotten (entry {done.entry}): {counted(len(held.requests), 'request')},"
        f" {counted(len(held.mentions), 'mention')}.",
        *_bans(held),
        _ROOM,
    )
    if not done.is_scrubbed:
        trouble = "Traces may still lie in the database's file; it is cleaned within the hour."
        return Answer((*lines, trouble), ok=False)
    return Answer(lines)


def _outlook(held: Held) -> list[Line]:
    lines: list[Line] = []
    if held.requests:
        numbers = ", ".join(str(each.id) for each in held.requests[:_MOST])
        more = f" and {len(held.requests) - _MOST} more" if held.requests[_MOST:] else ""
        lines.append(
            f"Addresses, IP addresses and networks of {counted(len(held.requests), 'request')}:"
            f" {numbers}{more}. Names, accounts and times stay."
        )
    if held.open:
        numbers = ", ".join(str(each.id) for each in held.open)
        lines.append(f"Open, and ended by it: {numbers}. Their tokens are withdrawn.")
    if held.mentions:
        lines.append(
            f"What names it in the log, in notes, questions and alerts:"
            f" {counted(len(held.mentions), 'text')}."
        )
    return lines


def _bans(held: Held) -> list[Line]:
    if not held.bans:
        return []
    parts: list[Part] = ["Ban lines name it, and stay until you lift them: "]
    for at, ban in enumerate(held.bans[:_MOST]):
        parts += [", " if at else "", f"{ban.kind} ", code(ban.value)]
    parts.append(f" and {len(held.bans) - _MOST} more" if held.bans[_MOST:] else "")
    return [tuple(parts)]
