"""The console: a line that somebody typed, in the room or a terminal, becomes an answer."""

import difflib
import shlex
from collections.abc import Sequence

import click
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.answers import Answer, Line, Part, code
from bot.commands import audit, bans, desk, help, registrations, tokens
from bot.commands.help import usage
from bot.commands.table import Call, table
from gateway.app import Desk
from gateway.store.audit import Author

_log = structlog.get_logger(__name__)

# Importing a chapter enters its commands into the table; this is their order in `help`.
CHAPTERS = (bans, registrations, tokens, desk, audit, help)


class Console:
    """Carries out commands at one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def type(self, text: str, author: Author) -> Answer:
        """Carry out a typed line."""
        try:
            words = split(text)
        except ValueError:
            return Answer(("A quotation mark is not closed.",), ok=False)
        return await self.carry_out(words, author)

    async def carry_out(self, words: Sequence[str], author: Author) -> Answer:
        """Carry out a command given word by word; what the user did wrong is answered."""
        words = list(words) or ["help"]
        if "--help" in words or "-h" in words:
            words = ["help", *(word for word in words if not word.startswith("-"))]
        if words[0] not in table.commands:
            return _unknown(words[0])
        call = Call(self._desk, author)
        try:
            answer = await table.main(words, prog_name="porter", standalone_mode=False, obj=call)
        except click.ClickException as error:
            return _misuse(error)
        except ValueError as error:
            return Answer((str(error),), ok=False)
        except SQLAlchemyError as error:
            _log.error("command_not_recorded", command=words[0], reason=str(error))
            return Answer(("The database cannot be used now, so nothing was done.",), ok=False)
        except OSError as error:
            what = error.strerror or "a file cannot be used"
            return Answer((f"Nothing was done: {what}: ", code(error.filename or "")), ok=False)
        assert isinstance(answer, Answer)
        return answer


def split(text: str) -> list[str]:
    """Words, with quotation marks but without escapes: a pattern is full of backslashes.

    Raises ValueError when a quotation mark is not closed.
    """
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split = True
    lexer.commenters = ""
    lexer.escape = ""
    return list(lexer)


def _unknown(word: str) -> Answer:
    near = difflib.get_close_matches(word.lower(), table.commands, n=1)
    line: list[Part] = ["There is no command ", code(word), "."]
    if near:
        line += [" Did you mean ", code(near[0]), "?"]
    return Answer((tuple(line), ("All commands: ", code("help"))), ok=False)


def _misuse(error: click.ClickException) -> Answer:
    lines: list[Line] = [error.format_message()]
    context = getattr(error, "ctx", None)
    if context is not None and context.command is not table:
        path = context.command_path.removeprefix("porter ")
        lines.append(("Usage: ", code(usage(context.command, path))))
    return Answer(tuple(lines), ok=False)
