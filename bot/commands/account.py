"""One account: what is known of it, and who its neighbours are."""

import re
from dataclasses import dataclass
from typing import Any

import click
from sqlalchemy import Connection

from bot.answers import Answer, Cell, Grid, Line, Part, code
from bot.commands import masks
from bot.commands.notes import told_notes
from bot.commands.table import Call, Group, table, when
from gateway.homeserver.homeserver import Account, HomeserverError
from gateway.store import accounts, audit, lookback, notes, registrations, restrictions
from gateway.store.accounts import Sighting
from gateway.store.audit import Entry
from gateway.store.notes import Note
from gateway.store.registrations import Registration, Status
from gateway.stories.accounts.linking import owner
from gateway.stories.accounts.restricting import in_words

_MOST = 20  # neighbours
_MOST_ENTRIES = 5  # of what was done to it
_NAME = re.compile(r"[!-9;-~]{1,255}")  # also the historical ones: all that is printed but a colon


class UserName(click.ParamType[str]):
    """An account of this homeserver, as `@user:server` or by its name alone."""

    name = "user"

    def convert(self, value: Any, param: Any, ctx: Any) -> str:
        text = str(value)
        name, colon, server = text.removeprefix("@").partition(":")
        ours = ctx.find_object(Call).desk.settings.server_name
        if colon and server != ours:
            self.fail(f"{text[:40]!r} is no account of {ours}.", param, ctx)
        if not _NAME.fullmatch(name):
            self.fail(f"{text[:40]!r} is no user: write @user:{ours}.", param, ctx)
        return name


USER = UserName()


class _OrUser(Group):
    """Takes a user in the place of a command, who is shown then."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        is_command = args[0].lower() in self.commands
        is_alone = all(word.startswith("-") for word in args[1:])
        if not is_command and (is_alone or args[0].startswith("@")):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@table.group(
    cls=_OrUser,
    invoke_without_command=True,
    subcommand_metavar="USER|disable|suspend|lock|enable",
)
@click.pass_context
def account(context: click.Context) -> None:
    """Tell all about an account. Or end it, restrict it, set it free."""
    if context.invoked_subcommand is None:
        raise click.UsageError("Say which account: account @user:server", context)


@dataclass(frozen=True, slots=True)
class _Known:
    """What the desk itself knows of an account."""

    sighting: Sighting | None
    request: Registration | None
    refused: tuple[int, Status] | None  # a request for its name that is not its own
    waiting: list[str]
    entries: list[Entry]
    notes: list[Note]
    neighbours: list[Registration]
    near: list[Sighting]


@account.command()
@click.argument("user", type=USER)
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def show(call: Call, user: str, full: bool) -> Answer:
    """Tell what is known of an account, and of its neighbours.

    These are the requests and accounts from its network, and those with its address.
    """
    known = await call.desk.database.read(lambda c: _known(c, user))
    trouble, found = "", None
    try:
        found = await call.desk.homeserver.account(user)
    except HomeserverError as error:
        trouble = str(error)
    if found is None and not trouble and known.sighting is None and known.request is None:
        raise click.UsageError(f"There is no account @{user}.")
    id = f"@{user}:{call.desk.settings.server_name}"
    lines: list[Line] = [(code(id), _state(found, trouble))]
    lines += [f"To be {each} as soon as the homeserver does it." for each in known.waiting]
    lines += _origin(known.sighting, full)
    lines += _request(known, full)
    lines += map(_entry, known.entries[-_MOST_ENTRIES:])
    lines += told_notes(known.notes)
    lines += _neighbours(known, full)
    if not full:
        lines = [*map(_masked, lines)]
    return Answer(tuple(lines), offers=_offers(call, user, found, known))


def _known(connection: Connection, name: str) -> _Known:
    sighting, request = accounts.get(connection, name), owner(connection, name)
    network = request.network if request else sighting.network if sighting else None
    named = registrations.named(connection, [name.lower()])
    others = [(id, status) for _, id, status in named if request is None or id != request.id]
    key, but = (request.email_key, request.id) if request else (None, None)
    near = accounts.near(connection, network, _MOST) if network else []
    asked = lookback.neighbours(connection, network or "", key, _MOST, but=but)
    return _Known(
        sighting,
        request,
        next(iter(others), None),
        restrictions.wanted(connection, name),
        [each for each in audit.about(connection, f"account {name}") if each.action != "note"],
        notes.about(connection, f"registration {request.id}") if request else [],
        asked,
        [each for each in near if each.name != name],
    )


def _state(found: Account | None, trouble: str) -> str:
    if trouble:
        return f": {trouble}"
    if found is None:
        return ": the homeserver has no such account any more"
    parts = [f"made at {when(found.created_at)}" if found.created_at else "there"]
    parts += ["a server admin"] if found.is_admin else []
    parts += ["of a bridge or another application"] if found.is_application else []
    if found.restrictions is None:
        parts.append("whether it is restricted is not told")
    elif found.restrictions:
        parts.append(in_words(found.restrictions))
    return f": {', '.join(parts)}"


def _origin(sighting: Sighting | None, full: bool) -> list[Line]:
    if sighting is None:
        return []
    parts: list[Part] = [f"First seen at {when(sighting.seen_at)}"]
    place = (full and sighting.ip) or sighting.network
    parts += [", opened from ", code(place)] if place else []
    return [tuple(parts)]


def _request(known: _Known, full: bool) -> list[Line]:
    each = known.request
    if each is None and known.refused is None:
        return ["No request is known of it."]
    if each is None:
        assert known.refused is not None
        number, status = known.refused
        return [f"No request is known of it; registration {number} for its name is {status}."]
    parts: list[Part] = [f"Registration {each.id}: {each.status}, asked at {when(each.created_at)}"]
    parts += [" for the name ", code(each.name)] if each.account not in (None, each.name) else []
    parts += [
        " with ",
        masks.address(each, full=full),
        " from ",
        masks.place(each, full=full),
    ]
    return [tuple(parts)]


def _entry(entry: Entry) -> Line:
    parts: list[Part] = [f"{entry.action.capitalize()} at {when(entry.at)} by ", code(entry.who)]
    parts += [f" (entry {entry.id})"]
    parts += [": ", code(entry.reason)] if entry.reason else []
    return tuple(parts)


def _neighbours(known: _Known, full: bool) -> list[Line]:
    lines: list[Line] = []
    request = known.request
    if known.neighbours:
        rows = tuple(_neighbour(each, request, full) for each in known.neighbours)
        whose = "from its network or with its address" if request else "from its network"
        lines += [
            f"Other requests {whose}, the newest {len(rows)}:",
            Grid(("No.", "Asked", "Status", "Name", "Address", "Shares"), rows),
        ]
    elif request is not None:
        lines.append("Nobody else asked from its network or with its address.")
    if known.near:
        seen: list[Part] = ["Other accounts opened from its network: "]
        for at, each in enumerate(known.near):
            seen += [", " if at else "", code(each.name)]
        lines.append(tuple(seen))
    return lines


def _neighbour(each: Registration, request: Registration | None, full: bool) -> tuple[Cell, ...]:
    is_near = request is None or each.network == request.network != ""
    shared = ["network"] if is_near else []
    shared += ["address"] if request is not None and each.email_key == request.email_key else []
    has_other = each.account not in (None, each.name)
    return (
        str(each.id),
        f"{each.created_at:%Y-%m-%d %H:%M}",
        each.status.value,
        (code(each.name), " as ", code(each.account)) if has_other else code(each.name),
        masks.address(each, full=full),
        ", ".join(shared),
    )


def _masked(line: Line) -> Line:
    """What moderators wrote may hold addresses too."""
    if not isinstance(line, tuple):
        return line
    return tuple(part if isinstance(part, str) else code(masks.masked(part.text)) for part in line)


def _offers(
    call: Call, user: str, found: Account | None, known: _Known
) -> tuple[tuple[str, str], ...]:
    abilities = call.desk.homeserver.abilities
    # With its server no name is taken for an option or for a command.
    user = f"@{user}:{call.desk.settings.server_name}"
    offered = []
    on = (found.restrictions if found else None) or frozenset()
    if on & abilities.lifts:
        offered.append(("🔓", f"account enable {user}"))
    elif found is not None:
        keys = {"locked": ("🔒", "lock"), "suspended": ("✋", "suspend")}
        offered += [
            (key, f"account {action} {user}")
            for what, (key, action) in keys.items()
            if what in abilities.restricts
        ]
    if known.request is not None:
        offered.append(("📄", f"registration {known.request.id}"))
    return tuple(offered)
