"""Whatever a command changes stands in the audit, with its author and the event it came from."""

from dataclasses import dataclass

import click
import pytest
from sqlalchemy import select

from bot.commands.table import table
from bot.console import Console
from gateway.store import audit
from gateway.store.audit import Author
from gateway.store.columns import metadata

AUTHOR = Author("@mod:example.org", "$walk")
# What the room remembers of its own talk, and what the desk tells it.
TALK = {"audit", "events", "questions", "offers", "alerts"}


@dataclass
class Step:
    """A command with an effect, or without; `before` are lines, statements and accounts
    that lead to it."""

    line: str
    before: tuple[str, ...] = ()
    changes: bool = False


def changing(line, *before):
    return Step(line, before, changes=True)


_UNDER_REVIEW = "sql UPDATE registrations SET status = 'review'"
STEPS = {
    "ban": changing("ban @a.example 203.0.113.0/24"),
    "unban": changing("unban @a.example", "ban @a.example"),
    "bans": Step("bans", ("ban @a.example",)),
    "test": Step("test ann"),
    "registrations": Step("registrations"),
    "registration": Step("registration 1"),
    "unfulfilled": Step("unfulfilled"),
    "unknown": Step("unknown"),
    "account": Step("account zoe", ("open zoe",)),
    "account show": Step("account show zoe", ("open zoe",)),
    "account disable": changing("account disable zoe --yes", "open zoe"),
    "account suspend": changing("account suspend zoe --yes", "open zoe"),
    "account lock": changing("account lock zoe --yes", "open zoe"),
    "account enable": changing("account enable zoe --yes", "open zoe", "account lock zoe --yes"),
    "resend": changing("resend 1", "sql UPDATE mails SET status = 'failed'"),
    "review": Step("review"),
    "approve": changing("approve 1", _UNDER_REVIEW),
    "reject": changing("reject 1 no", _UNDER_REVIEW),
    "token": Step("token"),
    "token rotate": changing("token rotate"),
    "token issue": changing("token issue"),
    "token revoke": changing("token revoke 1", "token issue"),
    "status": Step("status"),
    "stats": Step("stats"),
    "pause": changing("pause"),
    "resume": changing("resume", "pause"),
    "alerts": Step("alerts"),
    "mute": changing("mute burst --for 1h"),
    "unmute": changing("unmute burst", "mute burst"),
    "log": Step("log", ("pause",)),
    "undo": changing("undo", "pause"),
    "note": changing("note 1 nice"),
    "forget": changing("forget ann@example.net --yes"),
    "confirm": changing("confirm 1", "ban 10.0.0.0/8"),
    "cancel": Step("cancel 1", ("ban 10.0.0.0/8",)),
    "help": Step("help"),
}


def paths(group=table, prefix=""):
    for name, command in group.commands.items():
        yield prefix + name
        if isinstance(command, click.Group):
            yield from paths(command, f"{prefix}{name} ")


async def everything(desk):
    """All that the desk keeps."""
    rows = await desk.database.read(
        lambda c: {
            each.name: [*map(tuple, c.execute(select(each)))]
            for each in metadata.sorted_tables
            if each.name not in TALK
        }
    )
    folders = (desk.settings.bans, desk.settings.homeserver.token_file.parent)
    files = {
        path: path.read_bytes() for each in folders for path in each.glob("*") if path.is_file()
    }
    return rows, files


@pytest.mark.parametrize("path", [*paths()])
async def test_no_command_changes_anything_unsaid(desk, typed, apply, directory, path):
    assert path in STEPS, f"say what {path} changes"
    step = STEPS[path]
    await apply()
    for line in step.before:
        if line.startswith("open "):
            directory.open(line[5:])
        elif line.startswith("sql "):
            await desk.database.write(lambda c, sql=line[4:]: c.exec_driver_sql(sql) and None)
        else:
            await typed(line)
    before = await everything(desk)
    answer = await Console(desk).type(step.line, AUTHOR)
    assert answer.ok or not step.changes, answer.plain()
    said = await desk.database.read(lambda c: audit.of_event(c, AUTHOR.event_id))
    assert (await everything(desk) != before) is step.changes
    assert bool(said) is step.changes
    assert {each.who for each in said} <= {AUTHOR.who}
