"""An account ended, suspended, locked or set free: asked back, written down, done once."""

from collections.abc import Awaitable, Callable
from typing import Any

import click

from bot.answers import Answer, Line, Part, code
from bot.commands import masks
from bot.commands.account import USER, account
from bot.commands.table import Call
from gateway.homeserver.homeserver import Restriction
from gateway.stories.accounts.linking import owner
from gateway.stories.accounts.restricting import ACTIONS, ENABLE, Outcome, Plan, in_words

_EFFECTS = {
    Restriction.DEACTIVATED: "it is logged out everywhere, nobody logs in to it any more, and its"
    " name stays taken",
    Restriction.SUSPENDED: "whoever has it can read, and send nothing",
    Restriction.LOCKED: "it can do nothing until it is unlocked",
}


def _options(command: Callable[..., Awaitable[Answer]]) -> Callable[..., Any]:
    """What all four take."""
    for each in (
        click.pass_obj,
        click.option("--yes", is_flag=True, help="do not ask"),
        click.option("--tell", is_flag=True, help="mail it to the person, with the reason"),
        click.option("--reason", default="", metavar="TEXT", help="why; with --tell he reads it"),
        click.argument("user", type=USER),
    ):
        command = each(command)
    return command


@account.command()
@_options
async def disable(call: Call, user: str, reason: str, tell: bool, yes: bool) -> Answer:
    """End an account for good; nobody's messages are erased."""
    return await _change(call, "disable", user, reason, tell=tell, yes=yes)


@account.command()
@_options
async def suspend(call: Call, user: str, reason: str, tell: bool, yes: bool) -> Answer:
    """Let whoever has an account read, and send nothing."""
    return await _change(call, "suspend", user, reason, tell=tell, yes=yes)


@account.command()
@_options
async def lock(call: Call, user: str, reason: str, tell: bool, yes: bool) -> Answer:
    """Let nobody use an account until it is unlocked."""
    return await _change(call, "lock", user, reason, tell=tell, yes=yes)


@account.command()
@_options
async def enable(call: Call, user: str, reason: str, tell: bool, yes: bool) -> Answer:
    """Set an account free: lift what is on it."""
    return await _change(call, ENABLE, user, reason, tell=tell, yes=yes)


async def _change(
    call: Call, action: str, user: str, reason: str, *, tell: bool, yes: bool
) -> Answer:
    restricting = call.desk.restricting
    # What a crash interrupted was asked before.
    outcome = await restricting.begun(call.author)
    if outcome is None:
        plan = await restricting.plan(user, action, tells=tell)
        if not yes:
            options = ["--reason", reason] if reason else []
            options += ["--tell"] if tell else []
            lines = await _outlook(call, action, plan, tell)
            return await call.ask(lines, ["account", action, *options, "--yes", "--", user])
        outcome = await restricting.change(call.author, action, plan, reason, tells=tell)
    return _told(user, outcome)


async def _outlook(call: Call, action: str, plan: Plan, tell: bool) -> list[Line]:
    """What would be done, and whether it can be undone."""
    who = code(f"@{plan.name}:{call.desk.settings.server_name}")
    abilities = call.desk.restricting.abilities
    if action == ENABLE:
        lines: list[Line] = [("This sets ", who, f" free: it is {in_words(plan.off)} no more.")]
    else:
        restriction = ACTIONS[action]
        lines = [("This would leave ", who, f" {restriction}: {_EFFECTS[restriction]}.")]
        if restriction in abilities.lifts:
            lines.append(("It can be undone: ", code(f"account enable {who.text}"), "."))
        else:
            lines.append(
                f"It can not be undone: with {abilities.title} an account that is {restriction}"
                " cannot be set free from here."
            )
    if who.text == call.author.who:
        lines.append("Mind: it is your own account.")
    if plan.account is None:
        lines.append("The homeserver does not answer now: it is done as soon as it does.")
    elif plan.account.is_admin:
        lines.append("Mind: it is a server admin.")
    elif plan.account.is_application:
        lines.append("Mind: it belongs to a bridge or another application.")
    if tell:
        request = await call.desk.database.read(lambda c: owner(c, plan.name))
        address: tuple[Part, ...] = (masks.address(request, full=False),) if request else ()
        lines.append(("A mail says so, with the reason, to ", *address, "."))
    return lines


def _told(user: str, outcome: Outcome) -> Answer:
    entry, who = outcome.entry, code(f"@{user}")
    if outcome.fault:
        return Answer((("Not done to ", who, f": {outcome.fault}."),), ok=False)
    if outcome.waits:
        line: Line = (
            "It is written down and is done to ",
            who,
            f" as soon as the homeserver does it: {outcome.waits}.",
        )
        return Answer((line,), ok=False)
    return Answer(((who, f" is {entry.after} now (entry {entry.id})."),))
