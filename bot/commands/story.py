"""One registration: its whole story, and its mail once more."""

import click

from bot.answers import Answer, Line, Part, code
from bot.commands.notes import told_notes
from bot.commands.review import decisions, reasons
from bot.commands.table import NUMBER, Call, also, table, when
from gateway.rules.addresses import masked
from gateway.store import notes, outbox, tokens
from gateway.store import registrations as store
from gateway.store.registrations import Status


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
