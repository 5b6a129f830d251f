"""Questions: a moderator's yes or no to a command that asked first."""

import click

from bot.answers import Answer
from bot.commands.table import Call, Number, table
from gateway.store import questions as store
from gateway.store.questions import Question

_QUESTION = Number("a question")


async def _settled(call: Call, number: int) -> Question:
    by = call.author.event_id or call.author.who
    now = call.desk.clock()
    question = await call.desk.database.write(lambda c: store.settle(c, number, by, now))
    if question is None:
        raise click.UsageError(f"There is no open question {number}: it may be answered already.")
    return question


@table.command()
@click.argument("number", type=_QUESTION)
@click.pass_obj
async def confirm(call: Call, number: int) -> Answer:
    """Say yes to a question, and carry its command out."""
    question = await _settled(call, number)
    return await call.carry_out(question.words)


@table.command()
@click.argument("number", type=_QUESTION)
@click.pass_obj
async def cancel(call: Call, number: int) -> Answer:
    """Say no to a question."""
    await _settled(call, number)
    return Answer(("Left as it is.",))
