"""What is banned: the bans in force, and those that a value meets."""

import asyncio
import heapq
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import click

from bot.answers import Answer, Line, code, counted
from bot.commands.bans import told_of
from bot.commands.notes import told_notes
from bot.commands.story import wants_no_mail
from bot.commands.table import Call, table, when
from gateway.homeserver.homeserver import NameAvailability
from gateway.rules.addresses import is_for_everybody, parse_address
from gateway.rules.bans import Ban, Kind, guess_kind
from gateway.rules.limits import Scope
from gateway.rules.names import parse_name
from gateway.rules.networks import neighbourhood, plain_address, wide_neighbourhood
from gateway.store import crowds, hits, notes, precedents

_MOST = 50  # bans in one answer
_UNKNOWN = datetime.min.replace(tzinfo=UTC)


def _newest(bans: list[Ban]) -> list[Ban]:
    """The newest first, of all kinds; those of unknown age last."""
    ages = ((ban.at or _UNKNOWN, at) for at, ban in enumerate(bans))
    return [bans[at] for _, at in heapq.nlargest(_MOST, ages)]


@table.command()
@click.argument("kind", required=False, metavar="[ip|email|name]")
@click.argument("text", required=False)
@click.pass_obj
async def bans(call: Call, kind: str | None, text: str | None) -> Answer:
    """List the bans, or those whose line contains TEXT."""
    known = kind is not None and kind.lower() in set(Kind)
    if kind is not None and not known:
        if text is not None:
            raise click.UsageError(f"{kind!r} is no kind of ban: ip, email or name.")
        kind, text = None, kind
    found = await call.desk.bans.search(
        Kind(kind.lower()) if kind is not None else None, text or ""
    )
    if not found:
        return Answer(("No such ban." if text or kind else "Nothing is banned.",))
    newest = await asyncio.to_thread(_newest, found)
    lines: list[Line] = [f"{counted(len(found), 'ban')}, newest first"]
    lines += await _told(call, newest)
    if len(found) > _MOST:
        lines.append(f"… {len(found) - _MOST} more: say what to look for.")
    return Answer(tuple(lines))


@table.command()
@click.argument("words", nargs=-1, required=True, metavar="[ip|email|name] VALUE")
@click.pass_obj
async def test(call: Call, words: tuple[str, ...]) -> Answer:
    """Say which rules an address or a name meets, and why.

    The bans that hit it, with their authors and reasons; whether it is malformed; for an address
    how full its limits are, for a name whether it is still free.
    """
    kind, value = _asked(words)
    if kind is Kind.IP:
        return await _test_address(call, value)
    if kind is Kind.EMAIL:
        return await _test_email(call, value)
    return await _test_name(call, value)


async def _test_address(call: Call, value: str) -> Answer:
    address, now = plain_address(value), call.desk.clock()
    lines = await _met(call, Kind.IP, value, call.desk.bans.book.networks(address, now))
    whose = {Scope.NETWORK: str(neighbourhood(address))}
    wide = wide_neighbourhood(address)
    whose |= {Scope.IPV4: str(address)} if wide is None else {Scope.IPV6_48: str(wide)}
    return Answer((*lines, *await _limits(call, whose, "from")))


async def _limits(call: Call, whose: Mapping[Scope, str], way: str) -> list[Line]:
    """How full the limits are that a request would meet."""
    limits, now = call.desk.settings.registration.limits.by_scope, call.desk.clock()
    asked = [(scope, each, limit) for scope, each in whose.items() for limit in limits[scope]]
    counts = await call.desk.database.read(
        lambda c: [crowds.heard(c, scope, each, limit, now) for scope, each, limit in asked]
    )
    lines: list[Line] = []
    for (scope, each, limit), count in zip(asked, counts, strict=True):
        end = "mailed nothing" if scope is Scope.EMAIL else "refused"
        full = "" if limit.allows(count) else f": another request is {end}"
        lines.append((f"Heard {count} {way} ", code(each), f", the limit is {limit}{full}."))
    return lines


async def _test_email(call: Call, value: str) -> Answer:
    try:
        address = parse_address(value)
    except ValueError as error:
        return _malformed(value, error)
    book, now = call.desk.bans.book, call.desk.clock()
    whose = {Scope.EMAIL: address.key}
    whose |= {} if is_for_everybody(address.domain) else {Scope.DOMAIN: address.domain}
    lines = await _met(call, Kind.EMAIL, value, book.addresses(address, now))
    refusal = await call.desk.database.read(lambda c: call.desk.unwanted.refusal_of(c, address.key))
    lines += [] if refusal is None else [wants_no_mail(refusal)]
    return Answer((*lines, *await _limits(call, whose, "with")))


async def _test_name(call: Call, value: str) -> Answer:
    try:
        name = parse_name(value, call.desk.settings.server_name)
    except ValueError as error:
        return _malformed(value, error)
    now = call.desk.clock()
    lines = await _met(call, Kind.NAME, name, call.desk.bans.book.names(name, now))
    holder = await call.desk.database.read(lambda c: precedents.holder(c, name, now))
    if holder is not None:
        lines.append(f"The name is held by registration {holder.id} until {when(holder.until)}.")
    lines.append(_AVAILABILITY[await call.desk.homeserver.availability(name)])
    return Answer(tuple(lines))


_AVAILABILITY = {
    NameAvailability.FREE: "The homeserver says that the name is free.",
    NameAvailability.TAKEN: "The homeserver says that the name is taken.",
    NameAvailability.UNKNOWN: "The homeserver does not say whether the name is free.",
}


def _malformed(value: str, error: ValueError) -> Answer:
    return Answer(((code(value), " is refused as malformed: ", code(error)),))


async def _met(call: Call, kind: Kind, value: str, met: Sequence[str]) -> list[Line]:
    """The bans that hit a value, all that is known of them, and what becomes of a request."""
    if not met:
        return [("No ban hits ", code(value), ".")]
    found = await call.desk.bans.standing((kind, each) for each in met)
    only_reviewed = all(call.desk.bans.book.only_reviews(kind, each) for each in met)
    fate = "waits for a look" if only_reviewed else "is refused"
    count = counted(len(met), "ban")
    return [(code(value), f" meets {count}, so a request {fate}:"), *await _told(call, found)]


def _asked(words: tuple[str, ...]) -> tuple[Kind, str]:
    """The kind of a value, told or guessed."""
    if len(words) == 2 and words[0].lower() in set(Kind):
        return Kind(words[0].lower()), words[1]
    if len(words) > 1:
        raise click.UsageError("One value at a time; before it may stand ip, email or name.")
    (word,) = words
    kind = guess_kind(word)
    if kind is Kind.IP and "/" in word:
        raise click.UsageError(f"{word} is a network: say one address of it.")
    if word.startswith("@"):
        # A Matrix id begins so, and a domain as it is banned.
        if ":" not in word:
            raise click.UsageError(f"{word} is a domain: say one address of it, such as a{word}")
        kind = Kind.NAME
    return kind, word


async def _told(call: Call, bans: Sequence[Ban]) -> list[Line]:
    """Bans with how often they were met and the notes on them."""
    values = [(ban.kind, ban.value) for ban in bans]
    met, noted = await call.desk.database.read(
        lambda c: (
            hits.of(c, values),
            {each: notes.about(c, f"{each[0]} {each[1]}") for each in values},
        )
    )
    lines: list[Line] = []
    for ban in bans:
        line = told_of(ban)
        if seen := met.get((ban.kind, ban.value)):
            times = "once" if seen.count == 1 else f"{seen.count} times, last"
            line += (f" (met {times} at {when(seen.last_at)})",)
        lines += [line, *told_notes(noted[ban.kind, ban.value])]
    return lines
