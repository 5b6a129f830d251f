"""How the desk stands, in a few lines for a telephone."""

import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Connection

from bot.answers import Line, Part, code
from bot.commands import way_in
from bot.commands.table import when
from gateway.desk import Desk
from gateway.rules.opening import Opening
from gateway.store import (
    admin_room,
    alerts,
    audit,
    facts,
    health,
    leases,
    mutes,
    outbox,
    registrations,
    tokens,
)
from gateway.store.alerts import Alert
from gateway.store.health import Health
from gateway.store.mutes import Mute
from gateway.store.registrations import Status

ROOM_WARNINGS = "room warnings"  # the fact: a JSON list of sentences
_DAY = timedelta(days=1)
_SERVERS = (("homeserver", "Homeserver"), ("smtp", "Mail server"))
_MOST_FAULTS = 3  # of the ban files


@dataclass(frozen=True, slots=True)
class Standing:
    """What the database says of a desk at one moment."""

    opening: Opening
    owed: tuple[int, datetime | None]
    counts: dict[Status, int]
    waiting: int
    tokens: str
    servers: tuple[tuple[str, Health | None], ...]
    is_watched: bool
    lasting: list[Alert]
    muted: list[Mute]
    warnings: list[str]


async def read(desk: Desk) -> Standing:
    """Look once, at everything."""
    now = desk.clock()

    def look(connection: Connection) -> Standing:
        return Standing(
            desk.hours.standing(connection, now),
            outbox.depth(connection),
            registrations.counts(connection, now - _DAY),
            registrations.how_many_wait(connection),
            _tokens(connection, desk, now),
            tuple((title, health.recall(connection, name)) for name, title in _SERVERS),
            leases.is_held(connection, "vigil", now),
            [each for each in alerts.lasting(connection) if each.kind != "review"],
            mutes.in_force(connection, now),
            _warnings(connection),
        )

    return await desk.database.read(look)


def _warnings(connection: Connection) -> list[str]:
    """What is wrong with the rooms, as the bot saw it."""
    moderators = json.loads(facts.recall(connection, ROOM_WARNINGS) or "[]")
    return [*moderators, *admin_room.warnings(connection)]


def _tokens(connection: Connection, desk: Desk, now: datetime) -> str:
    if desk.settings.shares_token:
        shared = tokens.current_shared(connection)
        if shared is None:
            return "Shared token: not in force yet."
        if not desk.homeserver.abilities.replaces_tokens:
            return "It never rotates."
        return f"Last rotation: {when(shared.issued_at)}."
    left = len(tokens.outstanding(connection, now))
    last = audit.last(connection, "rotate")
    rotated = f" Last rotation: {when(last.at)}." if last else ""
    return f"Tokens that may still open an account: {left}.{rotated}"


def lines(desk: Desk, found: Standing) -> list[Line]:
    """The answer to `status`."""
    depth, oldest = found.owed
    heard = ", ".join(f"{number} {each}" for each, number in sorted(found.counts.items()))
    told: list[Line] = [_opening(found.opening), f"Requests within a day: {heard or 'none'}."]
    if found.waiting:
        told.append((f"Waiting for a decision: {found.waiting}, see ", code("review")))
    told.append(f"Mails owed: {depth}" + (f", the oldest since {when(oldest)}." if depth else "."))
    told.append(f"{way_in.told(desk)} {found.tokens}")
    told += [_server(title, each) for title, each in found.servers]
    if not found.is_watched:
        told.append("No gateway runs: nobody looks after the servers and sends mails.")
    told.append(f"Bans in force: {len(desk.bans.book)}.")
    told += [("Ban file fault: ", code(fault)) for fault in desk.bans.faults[:_MOST_FAULTS]]
    if len(desk.bans.faults) > _MOST_FAULTS:
        told.append(f"… and {len(desk.bans.faults) - _MOST_FAULTS} more faults.")
    free = shutil.disk_usage(desk.settings.state).free
    low = ", which is low" if free < desk.settings.alerts.disk else ""
    told.append(f"Disk: {free / 2**30:.1f} GiB free{low}.")
    told.append(_alerts(found))
    told += [f"Warning: {each}" for each in found.warnings]
    return told


def _opening(opening: Opening) -> Line:
    if opening.is_open:
        closes = f", closes at {when(opening.changes_at)}" if opening.changes_at else ""
        return f"The desk is open{closes}."
    until = when(opening.changes_at) if opening.changes_at else "somebody resumes it"
    parts: list[Part] = [f"The desk is closed until {until}"]
    return tuple([*parts, ": ", code(opening.message)] if opening.message else [*parts, "."])


def _server(title: str, found: Health | None) -> Line:
    if found is None:
        return f"{title}: nobody has looked yet."
    if found.is_up:
        return f"{title}: up."
    return (f"{title}: down since {when(found.since)}, ", code(found.reason))


def _alerts(found: Standing) -> Line:
    heard = [each for each in found.lasting if not any(m.holds(each.cause) for m in found.muted)]
    parts: list[Part] = [f"Alerts: {len(heard)} open"]
    for at, mute in enumerate(found.muted):
        parts += [", " if at else "; muted: ", code(mute.cause)]
    return (*parts, ".")
