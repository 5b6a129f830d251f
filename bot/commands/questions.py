"""Questions: a moderator's yes or no to a command that asked first."""

import click

from bot.answers import Answer
from bot.commands.table import Call, Number, table, when
from gateway.store import questions as store
from gateway.store.questions import Question

_QUESTION = Number("a question")


async def _settled(call: Call, number: int) -> Question:
    now = call.desk.clock()
    question = await call.desk.database.write(lambda c: store.settle(c, number, call.author, now))
    if question is None:
        closed = await call.desk.database.read(lambda c: store.get(c, number))
        raise click.UsageError(_why_closed(number, closed))
    return question


def _why_closed(number: int, question: Question | None) -> str:
    if question is None:
        return f"There is no question {number}."
    if question.settled_at is not None:
        return f"Question {number} was answered already, at {when(question.settled_at)}."
    return f"Question {number} was asked more than a day ago: give its command again."


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
