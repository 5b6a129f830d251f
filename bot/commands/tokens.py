"""Tokens: how they stand, and a new one in their place after a leak."""

from collections.abc import Awaitable

import click

from bot.answers import Answer, Line, code
from bot.commands.table import Call, also, table, when
from gateway.homeserver.homeserver import HomeserverError
from gateway.store import tokens as store


@also("tokens")
@table.group(invoke_without_command=True, subcommand_metavar="[rotate]")
@click.option("--show", is_flag=True, help="the shared token itself; it stays in the history")
@click.pass_context
def token(context: click.Context, show: bool) -> Awaitable[Answer] | None:
    """Say how the tokens stand."""
    # A coroutine made for nothing would be one that nobody awaits.
    return _standing(context.obj, show) if context.invoked_subcommand is None else None


async def _standing(call: Call, show: bool) -> Answer:
    desk, now = call.desk, call.desk.clock()
    own, shared = await desk.database.read(
        lambda c: (store.outstanding(c, now), store.current_shared(c))
    )
    if desk.settings.tokens.mode == "per_applicant":
        if show:
            raise click.UsageError("Each applicant has a token of his own: there is none to show.")
        first = min((each.expires_at for each in own if each.expires_at), default=None)
        lines: list[Line] = [
            f"Each applicant gets a token of his own; {len(own)} may still open an account."
        ]
        if first is not None:
            lines.append(f"The first of them expires at {when(first)}.")
        return Answer(tuple(lines))
    if shared is None:
        return Answer(("No shared token is in force yet.",), ok=False)
    lines = [f"The shared token is in force since {when(shared.issued_at)}."]
    ends = desk.rotation.ends_at(shared)
    lines.append("It does not rotate." if ends is None else f"It works until {when(ends)}.")
    if show:
        lines.append(("Token: ", code(shared.value)))
    return Answer(tuple(lines))


@token.command()
@click.pass_obj
async def rotate(call: Call) -> Answer:
    """End every token that may still open an account, and mail fresh ones in their place."""
    try:
        done = await call.desk.rotation.rotate(call.author)
    except HomeserverError as error:
        return Answer((f"Nothing was rotated: {error}.",), ok=False)
    lines: list[Line] = [
        f"{done.outstanding} outstanding, {done.revoked} out of force now,"
        f" {done.mailed} mailed anew."
    ]
    left = done.outstanding - done.revoked
    if left:
        lines.append(f"{left} could not be taken from the homeserver yet: it is tried again.")
    waits = await call.desk.database.read(store.unfinished_shared) is not None
    if waits:
        lines.append("The fresh token could not be put into force yet: it is tried again.")
    return Answer(tuple(lines), ok=not left and not waits)
