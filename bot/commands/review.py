"""Review: requests that wait for a decision, and the decisions on them."""

from collections.abc import Sequence

import click
from sqlalchemy import Connection

from bot.answers import Answer, Line, Part, code
from bot.commands import masks, way_in
from bot.commands.table import NUMBER, Call, also, table, when
from gateway.store import audit, lookback, registrations
from gateway.store.lookback import Earlier
from gateway.store.registrations import Registration
from gateway.stories.review import Decided
from gateway.stories.waiting import told, why

_MOST = 20  # requests in one answer
DECISIONS = {"approve": "Approved", "reject": "Rejected", "reopen": "The decision was taken back"}


@also("reviews", "waiting")
@table.command()
@click.pass_obj
async def review(call: Call) -> Answer:
    """List the requests that wait for a decision, oldest first."""

    def before(connection: Connection, each: Registration) -> Earlier:
        known = call.desk.keyring.pseudonyms(each.email_key)
        return lookback.earlier(connection, each, each.id, pseudonyms=known)

    def read(connection: Connection) -> list[tuple[Registration, Earlier]]:
        found = registrations.waiting(connection, _MOST + 1)
        return [(each, before(connection, each)) for each in found]

    found = await call.desk.database.read(read)
    if not found:
        return Answer(("No request waits for a decision.",))
    lines: list[Line] = []
    for each, past in found[:_MOST]:
        lines += [_asked(each), reasons(each), _past(past)]
    more = f"The oldest {_MOST} of those that wait" if len(found) > _MOST else _waits(len(found))
    last = ("Say ", code("approve ID..."), " or ", code("reject ID... [REASON]"), ".")
    number = found[0][0].id
    offers = (("✅", f"approve {number}"), ("❌", f"reject {number}")) if len(found) == 1 else ()
    return Answer((f"{more} for a decision.", *lines, last), offers=offers)


@also("accept")
@table.command()
@click.argument("ids", type=NUMBER, metavar="ID...", nargs=-1, required=True)
@click.pass_obj
async def approve(call: Call, ids: tuple[int, ...]) -> Answer:
    """Grant requests under review: their tokens are mailed."""
    decided = await call.desk.reviews.approve_all(call.author, ids)
    return _answer(decided, "Approved: ", "; the mail with the token is on its way")


@also("deny")
@table.command()
@click.argument("words", metavar="ID... [REASON]", nargs=-1, required=True)
@click.pass_context
async def reject(context: click.Context, words: tuple[str, ...]) -> Answer:
    """Turn requests down that have no account yet.

    The applicant never reads the reason. One that begins with a number stands in quotation marks.
    """
    call: Call = context.obj
    ids, reason = _ids_and_reason(context, words)
    decided = await call.desk.reviews.reject_all(call.author, ids, reason)
    answer = _answer(decided, "Rejected: ", "")
    if call.desk.settings.shares_token and any(each.mailed_at for each in decided.done):
        warning = ("The shared token was mailed already: ", *way_in.end_of_shared(call.desk))
        return Answer((*answer.lines, warning), ok=answer.ok)
    return answer


def _ids_and_reason(context: click.Context, words: Sequence[str]) -> tuple[list[int], str]:
    """The numbers in front, and what is said after them."""
    count = next(
        (at for at, word in enumerate(words) if not word.removeprefix("#").isdecimal()), len(words)
    )
    first = [NUMBER.convert(word, None, context) for word in words[: max(count, 1)]]
    return first, " ".join(words[count:])


def _answer(decided: Decided, done: str, after: str) -> Answer:
    lines: list[Line] = [(done, *_who(each), after, ".") for each in decided.done]
    return Answer((*lines, *decided.faults), ok=not decided.faults)


def _who(each: Registration) -> tuple[Part, ...]:
    return (f"{each.id}, name ", code(each.name), ", address ", masks.address(each, full=False))


def _waits(number: int) -> str:
    return "1 waits" if number == 1 else f"{number} wait"


def _asked(each: Registration) -> Line:
    return (
        *_who(each),
        ", from ",
        masks.place(each, full=False),
        f", asked at {when(each.created_at)}, language ",
        code(each.language),
    )


def _past(past: Earlier) -> Line:
    return (
        f"Earlier from its network: {told(past.network)}; from its domain:"
        f" {told(past.domain)}; from its address: {told(past.address)}"
    )


def reasons(registration: Registration) -> Line:
    """Why a request is or was looked at."""
    parts: list[Part] = []
    for each in registration.reviews:
        words, detail = why(each)
        parts += ["; " if parts else "Looked at because: ", words]
        parts += [" ", code(detail)] if detail else []
    return tuple(parts) or "Looked at because a decision was taken back"


def decisions(connection: Connection, registration_id: int) -> list[Line]:
    """Who decided on a registration, when and why, oldest first."""
    lines: list[Line] = []
    for entry in audit.about(connection, f"registration {registration_id}"):
        if entry.action in DECISIONS:
            said = f"{DECISIONS[entry.action]} at {when(entry.at)} by "
            parts: list[Part] = [said, code(entry.who)]
            parts += [": ", code(entry.reason)] if entry.reason else []
            lines.append(tuple(parts))
    return lines
