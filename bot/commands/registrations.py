"""Registrations: find them, read one's whole story, send a mail again."""

from datetime import timedelta

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.notes import told_notes
from bot.commands.review import decisions, reasons
from bot.commands.table import NUMBER, SPAN, Call, also, table, when
from gateway.rules.addresses import masked
from gateway.store import notes, outbox, tokens
from gateway.store import registrations as store
from gateway.store.registrations import Registration, Status

_MOST = 30  # registrations in one answer


def _row(each: Registration, full: bool) -> Line:
    email = each.email if full else masked(each.email)
    reasons = ", ".join(refusal["code"].replace("_", " ") for refusal in each.refusals)
    return (
        f"{each.id} · {each.created_at:%m-%d %H:%M} · {each.status}"
        + (f" ({reasons})" if reasons else "")
        + " · ",
        code(each.name),
        " · ",
        code(email),
        " · ",
        code(each.ip if full else each.network),
    )


@also("requests", "regs")
@table.command(name="registrations")
@click.argument("text", required=False, default="")
@click.option(
    "--status",
    "statuses",
    type=click.Choice([each.value for each in Status]),
    multiple=True,
    help="only these; may be given several times",
)
@click.option("--since", type=SPAN, metavar="SPAN", help="only the last, such as 24h")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def registrations_(
    call: Call, text: str, statuses: tuple[str, ...], since: timedelta | None, full: bool
) -> Answer:
    """Find registrations by name, e-mail address, IP address or network."""
    after = None if since is None else call.desk.clock() - since
    found = await call.desk.database.read(
        lambda c: store.search(
            c, text, statuses=[Status(each) for each in statuses], since=after, most=_MOST + 1
        )
    )
    if not found:
        return Answer(("No registration found.",))
    more = len(found) > _MOST
    count = f"The newest {_MOST} registrations" if more else f"{len(found)} found"
    return Answer(
        (
            f"{count} (number, UTC, state, name, address, network)",
            *(_row(each, full) for each in found[:_MOST]),
        )
    )


@also("request", "reg", "show")
@table.command()
@click.argument("id", type=NUMBER, metavar="ID")
@click.option("--full", is_flag=True, help="whole addresses; they stay in the room's history")
@click.pass_obj
async def registration(call: Call, id: int, full: bool) -> Answer:
    """Tell one registration's whole story."""
    found, decided, mails, token, noted = await call.desk.database.read(
        lambda c: (
            store.get(c, id),
            decisions(c, id),
            outbox.history(c, id),
            tokens.of(c, id),
            notes.about(c, f"registration {id}"),
        )
    )
    if found is None:
        raise click.UsageError(f"There is no registration {id}.")
    lines: list[Line] = [
        (f"Registration {id}: {found.status}, name ", code(found.name)),
        (
            f"Asked at {when(found.created_at)} from ",
            code(found.ip if full else found.network),
            " with ",
            code(found.email if full else masked(found.email)),
        ),
    ]
    lines += [
        (f"Refused, {each['code'].replace('_', ' ')}: ", code(each["detail"]))
        for each in found.refusals
    ]
    lines += [reasons(found)] if found.reviews else []
    lines += decided
    if found.status is Status.REPEAT:
        lines.append("A known address: the applicant saw the usual page, nothing was mailed.")
    for mail in mails:
        line: list[Part] = [f"Mail ({mail.kind}) {mail.status}, attempts: {mail.attempts}"]
        if mail.status == "queued":
            line.append(f", next at {when(mail.due_at)}")
        if mail.sent_at:
            line.append(f", sent at {when(mail.sent_at)}")
        if mail.last_error:
            line += [", last error: ", code(mail.last_error)]
        lines.append(tuple(line))
    if token is not None:
        if token.withdraw_at and token.withdraw_at <= call.desk.clock():
            lines.append(f"Token: ended at {when(token.withdraw_at)}")
        else:
            state = "in force" if token.issued_at else "not in force yet"
            lines.append(f"Token: {state}, until {when(token.expires_at)}")
    if found.registered_at:
        lines.append(f"Account seen at {when(found.registered_at)}")
    lines += told_notes(noted)
    return Answer(tuple(lines))


@table.command()
@click.argument("id", type=NUMBER, metavar="ID")
@click.pass_obj
async def resend(call: Call, id: int) -> Answer:
    """Send the mail of a registration again."""
    found = await call.desk.registrar.resend(id, call.author)
    return Answer(
        ((f"The mail for registration {id}, name ", code(found.name), ", is on its way again."),)
    )
