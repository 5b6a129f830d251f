"""One registration: its whole story, and its mail once more."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import click
from sqlalchemy import Connection

from bot.answers import Answer, Code, Line, Part, code
from bot.commands import masks
from bot.commands.notes import told_notes
from bot.commands.review import DECISIONS, decisions, reasons
from bot.commands.table import NUMBER, Call, also, table, when
from gateway.desk import Desk
from gateway.rules.screening import in_words
from gateway.store import audit, lookback, notes, outbox, tokens
from gateway.store import registrations as store
from gateway.store.audit import PORTER, Entry
from gateway.store.lookback import Earlier
from gateway.store.notes import Note
from gateway.store.outbox import Attempt
from gateway.store.registrations import Registration, Status
from gateway.store.tokens import IssuedToken
from gateway.store.unwanted import Refusal
from gateway.stories.waiting import told

_PROOFS = {"work": "a proof of work", "form": "the form alone, without a script"}
_MAILS = {
    "token": "Mail with the token",
    "taken": "Mail that the name is taken",
    "review": "Mail that a person looks",
    "rejected": "Mail of the rejection",
    "deactivated": "Mail that the account is ended",
    "suspended": "Mail that the account is suspended",
    "locked": "Mail that the account is locked",
    "freed": "Mail that the account is free again",
}


@dataclass(frozen=True, slots=True)
class Story:
    """What is known of one registration."""

    registration: Registration
    decided: list[Line]
    mails: list[Attempt]
    token: IssuedToken | None
    others: Earlier
    entries: list[Entry]
    notes: list[Note]
    refusal: Refusal | None


@also("request", "reg", "show")
@table.command()
@click.argument("id", type=NUMBER, metavar="ID")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def registration(call: Call, id: int, full: bool) -> Answer:
    """Tell one registration's whole story."""
    story = await call.desk.database.read(lambda c: _story(c, id, call.desk))
    if story is None:
        raise click.UsageError(f"There is no registration {id}.")
    token, now = story.token, call.desk.clock()
    used = None
    if token is not None and token.issued_at and not _has_ended(token, now):
        used = await call.desk.rotation.given.used(token)
    lines = _beginning(story.registration, full)
    lines += [] if story.refusal is None else [wants_no_mail(story.refusal)]
    lines += story.decided
    lines += map(_mail, story.mails)
    lines += [] if token is None else [_token(token, used, now)]
    lines += _account(story.registration)
    lines += map(_entry, story.entries)
    lines.append(_others(story))
    lines += told_notes(story.notes)
    return Answer(tuple(lines if full else map(_masked, lines)))


def _story(connection: Connection, id: int, desk: Desk) -> Story | None:
    found = store.get(connection, id)
    if found is None:
        return None
    subject = f"registration {id}"
    token = tokens.of(connection, id)
    if token is None and found.token_id is not None:
        token = tokens.get(connection, found.token_id)
    entries = audit.about(connection, subject)
    if token is not None and token.registration_id is not None:
        entries += audit.about(connection, f"token {token.id}")
    return Story(
        found,
        decisions(connection, id),
        outbox.history(connection, id),
        token,
        lookback.earlier(connection, found, pseudonyms=desk.keyring.pseudonyms(found.email_key)),
        # The decisions, the notes and the account stand in lines of their own.
        [e for e in entries if e.who != PORTER.who and e.action not in (*DECISIONS, "note")],
        notes.about(connection, subject),
        desk.unwanted.refusal(connection, found),
    )


def _beginning(found: Registration, full: bool) -> list[Line]:
    lines: list[Line] = [
        (f"Registration {found.id}: {found.status}, name ", code(found.name)),
        (
            f"Asked at {when(found.created_at)} from ",
            masks.place(found, full=full),
            " with ",
            masks.address(found, full=full),
            ", language ",
            code(found.language),
        ),
    ]
    lines += [
        (f"Refused, {in_words(each['code'])}: ", code(each["detail"])) for each in found.refusals
    ]
    lines += [reasons(found)] if found.reviews else []
    lines += [f"Human check: {_PROOFS[found.proof]}"] if found.proof else []
    if found.status is Status.REPEAT:
        lines.append("A known address: the applicant saw the usual page, nothing was mailed.")
    return lines


def wants_no_mail(refusal: Refusal) -> Line:
    """That an address gets no mail, and what would change that."""
    return (
        f"The owner of the address wants no mail, since {when(refusal.at)}; ",
        code(f"undo {refusal.entry}"),
        " takes that back.",
    )


def _mail(mail: Attempt) -> Line:
    parts: list[Part] = [f"{_MAILS.get(mail.kind, mail.kind)}: {mail.status}"]
    if mail.attempts:
        parts.append(", tried once" if mail.attempts == 1 else f", tried {mail.attempts} times")
    if mail.status == "queued":
        parts.append(f", due at {when(mail.due_at)}")
    if mail.sent_at:
        parts.append(f", sent at {when(mail.sent_at)}")
    if mail.last_error:
        parts += [", last error: ", code(mail.last_error)]
    return tuple(parts)


def _has_ended(token: IssuedToken, now: datetime) -> bool:
    return token.withdraw_at is not None and token.withdraw_at <= now


def _token(token: IssuedToken, used: int | None, now: datetime) -> Line:
    whose = "Shared token" if token.registration_id is None else "Token"
    if _has_ended(token, now):
        return f"{whose} {token.id}: ended at {when(token.withdraw_at)}"
    state = "in force" if token.issued_at else "not in force yet"
    until = f", until {when(token.withdraw_at)}" if token.withdraw_at else ""
    if used is None or token.registration_id is None:
        return f"{whose} {token.id}: {state}{until}"
    opened = "it opened an account" if used else "it opened no account yet"
    return f"{whose} {token.id}: {state}{until}; the homeserver says that {opened}"


def _account(found: Registration) -> list[Line]:
    """The account that the request became; it may have another name than was asked for."""
    if found.registered_at is None:
        return []
    seen = f"Account seen at {when(found.registered_at)}"
    if found.account is None:
        return [f"{seen}; under which name is not known"]
    if found.account == found.name:
        return [seen]
    return [(seen, " under another name: ", code(found.account))]


def _entry(entry: Entry) -> Line:
    parts: list[Part] = [f"{entry.action.capitalize()} at {when(entry.at)} by ", code(entry.who)]
    parts += [": ", code(entry.reason)] if entry.reason else []
    return tuple(parts)


def _others(story: Story) -> Line:
    """How many requests came from the same places, without this one."""

    def but_this(counts: Mapping[Status, int]) -> str:
        status = story.registration.status
        left = {each: number - (each == status) for each, number in counts.items()}
        return told({each: number for each, number in left.items() if number > 0})

    others = story.others
    return (
        f"Other requests with its address: {but_this(others.address)};"
        f" from its network: {but_this(others.network)}; from its domain:"
        f" {but_this(others.domain)}"
    )


def _masked(line: Line) -> Line:
    """A line whose outside values hold no whole address."""
    if not isinstance(line, tuple):
        return line
    return tuple(code(masks.masked(part.text)) if isinstance(part, Code) else part for part in line)


@table.command()
@click.argument("id", type=NUMBER, metavar="ID")
@click.pass_obj
async def resend(call: Call, id: int) -> Answer:
    """Send the mail of a registration again."""
    found = await call.desk.resending.resend(id, call.author)
    return Answer(
        ((f"The mail for registration {id}, name ", code(found.name), ", is on its way again."),)
    )
