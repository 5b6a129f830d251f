"""Alerts: what goes on, and what of it the room wants to hear."""

from datetime import timedelta

import click
from sqlalchemy import Connection

from bot.answers import Answer, Line, Part, code
from bot.commands.table import SPAN, Call, also, table, when
from gateway.store import alerts as store
from gateway.store import mutes
from gateway.store.alerts import Alert
from gateway.store.mutes import Mute

_MOST = 20  # alerts in one answer


@table.command()
@click.pass_obj
async def alerts(call: Call) -> Answer:
    """List the alerts that last, and what is muted."""
    now = call.desk.clock()

    def read(connection: Connection) -> tuple[list[Alert], list[Mute]]:
        return store.lasting(connection), mutes.in_force(connection, now)

    lasting, muted = await call.desk.database.read(read)
    reviews = sum(each.kind == "review" for each in lasting)
    found = [each for each in lasting if each.kind != "review"]
    count = "1 alert" if len(found) == 1 else f"{len(found)} alerts"
    lines: list[Line] = [count if found else "No alert lasts."]
    lines += [_row(each, muted) for each in found[-_MOST:]]
    if len(found) > _MOST:
        lines.append(f"… and {len(found) - _MOST} older ones.")
    if reviews:
        waiting = "1 request waits" if reviews == 1 else f"{reviews} requests wait"
        lines.append((f"{waiting} for a decision: ", code("review")))
    lines += [_muted(each) for each in muted]
    return Answer(tuple(lines))


def _row(alert: Alert, muted: list[Mute]) -> Line:
    parts: list[Part] = [f"{alert.id} · ", code(alert.cause), " · "]
    if alert.count > 1:
        parts.append(f"×{alert.count} ")
    parts.append(f"since {when(alert.first_at)}")
    if any(each.holds(alert.cause) for each in muted):
        parts.append(" · muted")
    return tuple(parts)


def _muted(mute: Mute) -> Line:
    until = "for good" if mute.until is None else f"until {when(mute.until)}"
    return ("Muted: ", code(mute.cause), f" {until}, by ", code(mute.who))


@also("silence")
@table.command()
@click.argument("cause", nargs=-1, required=True, metavar="NUMBER|CAUSE")
@click.option("--for", "span", type=SPAN, metavar="SPAN", help="how long, such as 1d")
@click.pass_obj
async def mute(call: Call, cause: tuple[str, ...], span: timedelta | None) -> Answer:
    """Hear no more of an alert's cause, or of a whole kind.

    A kind is a word such as burst. What is muted is counted all the same.
    """
    done = await call.desk.muting.mute(call.author, cause, span)
    until = "until you say " if done.until is None else f"until {when(done.until)}, or until "
    return Answer((("Muted ", code(done.cause), f" {until}", code("unmute"), "."),))


@table.command()
@click.argument("cause", nargs=-1, required=True, metavar="NUMBER|CAUSE")
@click.pass_obj
async def unmute(call: Call, cause: tuple[str, ...]) -> Answer:
    """Hear of a muted cause again."""
    return Answer((("Heard again: ", code(await call.desk.muting.unmute(call.author, cause))),))
