"""Tokens: how they stand, one given away by hand, one ended, all of them replaced after a leak."""

from collections.abc import Awaitable
from datetime import timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands import way_in
from bot.commands.table import NUMBER, SPAN, Call, Count, also, table, when
from gateway.homeserver.homeserver import HomeserverError
from gateway.store import tallies
from gateway.store import tokens as store
from gateway.store.tokens import IssuedToken
from gateway.stories.tokens.given_tokens import Find, Given


@also("tokens")
@table.group(invoke_without_command=True, subcommand_metavar="[issue|revoke|rotate]")
@click.option("--show", is_flag=True, help="the tokens themselves; they stay in the room's history")
@click.pass_context
def token(context: click.Context, show: bool) -> Awaitable[Answer] | None:
    """Say how the tokens stand."""
    # A coroutine made for nothing would be one that nobody awaits.
    return _standing(context.obj, show) if context.invoked_subcommand is None else None


async def _standing(call: Call, show: bool) -> Answer:
    shared = await call.desk.database.read(store.current_shared)
    is_shared = call.desk.settings.shares_token
    lines = await (_shared(call, shared, show) if is_shared else _own(call))
    given = await call.desk.rotation.given.standing()
    lines += ["Given away by hand:"] if given else []
    makes_tokens = call.desk.rotation.given.makes_tokens
    known = [each for each in given if _is_known(each.token, makes_tokens)]
    lines += [_told(each, show and each in known) for each in given]
    if show:
        shown = bool(known or (is_shared and shared))
        ends = (
            "`token rotate` ends them all"
            if call.desk.homeserver.abilities.replaces_tokens
            else "only the homeserver's operator can end it"
        )
        lines.append(
            f"A token that was shown stays in this room's history: {ends}."
            if shown
            else "There is none to show: each applicant has a token of his own."
        )
    return Answer(tuple(lines), ok=not is_shared or shared is not None)


async def _own(call: Call) -> list[Line]:
    now = call.desk.clock()
    tally, first = await call.desk.database.read(
        lambda c: (tallies.own(c, now), tallies.next_end(c, now))
    )
    lines: list[Line] = [
        "Each applicant gets a token of his own.",
        f"{tally.issued} issued: {tally.used} opened an account, {tally.open} may still open one.",
    ]
    if first is not None:
        lines.append(f"The first of them ends at {when(first)}.")
    return lines + way_in.uncounted(call.desk)


async def _shared(call: Call, shared: IssuedToken | None, show: bool) -> list[Line]:
    if shared is None:
        return ["No shared token is in force yet."]
    tally = await call.desk.database.read(lambda c: tallies.shared(c, shared.id))
    ends = call.desk.rotation.ends_at(shared)
    lines: list[Line] = [
        f"The shared token is in force since {when(shared.issued_at)}.",
        "It does not rotate." if ends is None else f"It works until {when(ends)}.",
        f"Mailed to {tally.issued}: {tally.used} opened an account, {tally.open} have none yet.",
    ]
    if show:
        lines.append(("Token: ", code(shared.value)))
    return lines


def _is_known(token: IssuedToken, makes_tokens: bool) -> bool:
    """Whether its value is the homeserver's already, not that of the wish."""
    return token.issued_at is not None or not makes_tokens


def _told(given: Given, show: bool) -> Line:
    token = given.token
    parts: list[Part] = [f"{token.id} · {_uses(token)}"]
    if given.used is not None:
        parts.append(f", {given.used} used")
    parts += [f" · until {when(token.withdraw_at)} · by ", code(given.by)]
    if token.issued_at is None:
        parts.append(" · not in force yet")
    if given.note:
        parts += [": ", code(given.note)]
    if show:
        parts += [" · ", code(token.value)]
    return tuple(parts)


def _uses(token: IssuedToken) -> str:
    if token.uses is None:
        return "any number of uses"
    return "1 use" if token.uses == 1 else f"{token.uses} uses"


@token.command()
@click.option("--uses", type=Count(1000), default=1, metavar="N", help="how many accounts: 1")
@click.option("--for", "span", type=SPAN, metavar="SPAN", help="how long it works, such as 7d")
@click.option("--note", metavar="TEXT", help="for whom, seen by moderators alone")
@click.pass_obj
async def issue(call: Call, uses: int, span: timedelta | None, note: str | None) -> Answer:
    """Make a token for somebody whom you know.

    Whoever has it opens an account without a request. It is shown once; without --for it works as
    long as an applicant's own would.
    """
    given = call.desk.rotation.given
    made, works = await given.issue(
        call.author, uses, span or call.desk.settings.tokens.valid_for, note
    )
    head: Line = (f"Token {made.id}: ", code(made.value))
    wait: Line = "The homeserver does not answer: it works as soon as it does."
    if given.makes_tokens and made.issued_at is None:
        head = f"Token {made.id} is asked for in the homeserver's admin room."
        wait = ("It is not there yet; then it stands in ", code("token --show"), ".")
    lines: list[Line] = [head]
    if made.link is not None:
        lines.append(("A page where it is filled in: ", code(made.link)))
    lines.append(f"It opens {_accounts(made)} until {when(made.withdraw_at)}.")
    if not given.counts_uses:
        lines.append("This homeserver counts no uses: end it by command once it is used.")
    if not works:
        lines.append(wait)
    lines.append(("To end it: ", code(f"token revoke {made.id}")))
    return Answer(tuple(lines), ok=works)


def _accounts(token: IssuedToken) -> str:
    if token.uses is None:
        return "any number of accounts"
    return "one account" if token.uses == 1 else f"{token.uses} accounts"


@token.command()
@click.argument("which", nargs=-1, required=True, metavar="NUMBER|VALUE|registration ID")
@click.pass_obj
async def revoke(call: Call, which: tuple[str, ...]) -> Answer:
    """End one token now: a given one, or an applicant's own.

    By its number or value, or for an applicant's own: token revoke registration 12.
    """
    done = await call.desk.rotation.given.revoke(call.author, _find(which))
    registration = done.token.registration_id
    whose = "given by hand" if registration is None else f"of registration {registration}"
    lines: list[Line] = [f"Token {done.token.id}, {whose}, opens no account any more."]
    if not done.gone:
        lines = [
            f"Token {done.token.id}, {whose}, ends as soon as the homeserver answers: it does not"
            " now."
        ]
    if done.mail_owed:
        lines.append(
            "Its applicant is owed a mail, which will hold another token: reject the request to"
            " keep him out."
        )
    return Answer(tuple(lines), ok=done.gone)


def _find(which: tuple[str, ...]) -> Find:
    """What was meant by a number, a value, or `registration 12`."""
    if which[0].lower() in ("registration", "reg", "request") and len(which) == 2:
        number = NUMBER.convert(which[1], None, None)
        return lambda c: store.of(c, number)
    if len(which) > 1:
        raise click.UsageError(f"{which[1]!r} is one word too many: one token at a time.")
    (word,) = which
    if word.removeprefix("#").isdecimal():
        number = NUMBER.convert(word, None, None)
        return lambda c: store.get(c, number)
    return lambda c: store.with_value(c, word)


@token.command()
@click.pass_obj
async def rotate(call: Call) -> Answer:
    """After a leak: end all unused tokens, and mail fresh ones."""
    try:
        done = await call.desk.rotation.rotate(call.author)
    except HomeserverError as error:
        return Answer((f"Nothing was rotated: {error}.",), ok=False)
    lines: list[Line] = [
        f"{done.outstanding} outstanding, {done.revoked} out of force now,"
        f" {done.mailed} mailed anew."
    ]
    if done.given:
        lines.append(f"{done.given} of them given by hand: who had one gets none by mail.")
    left = done.outstanding - done.revoked
    if left:
        lines.append(f"{left} could not be taken from the homeserver yet: it is tried again.")
    waits = await call.desk.database.read(store.unfinished_shared) is not None
    if waits:
        lines.append("The fresh token could not be put into force yet: it is tried again.")
    return Answer(tuple(lines), ok=not left and not waits)
