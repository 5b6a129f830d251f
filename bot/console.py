"""The console: a line that somebody typed, in the room or a terminal, becomes an answer."""

import re
from collections.abc import Sequence
from itertools import takewhile

import click
import structlog
from sqlalchemy.exc import SQLAlchemyError

from bot.answers import Answer, Line, code
from bot.commands import (
    account,
    account_change,
    accounts,
    alerts,
    audit,
    ban_list,
    bans,
    desk,
    forget,
    help,
    notes,
    questions,
    registrations,
    review,
    stats,
    story,
    tokens,
    undo,
)
from bot.commands.help import usage
from bot.commands.table import Call, Listing, table
from bot.mistakes import find, nearest, pointed, suggestion
from gateway.desk import Desk
from gateway.store.audit import Author

_log = structlog.get_logger(__name__)

_HELP = ("--help", "-h")
_OPTION = r"[-–—]+[\w-]+="
_DOUBLE, _SINGLE = '["“”„‟«»]', "['‘’‚‛]"
_WORD = re.compile(
    rf"(?P<option>(?:{_OPTION})?)"
    rf"(?:{_DOUBLE}(?P<double>.*?){_DOUBLE}|{_SINGLE}(?P<single>.*?){_SINGLE})(?!\S)"
    r"|(?P<word>\S+)",
    re.DOTALL,
)
_OPENED = re.compile(rf"(?:{_OPTION})?(?:{_DOUBLE}|{_SINGLE})")
_LONG_DASH = re.compile(r"^-*[–—][-–—]*(?=\w)")
_ANOTHER = re.compile(r"^\s*!porter\b", re.IGNORECASE | re.MULTILINE)

# Importing a module enters its commands into the table; these are their chapters in `help`.
table.chapters = {
    "Bans": (bans, ban_list),
    "Requests": (review, registrations, story),
    "Accounts": (account, account_change, accounts),
    "Tokens": (tokens,),
    "The desk": (desk, stats),
    "Alerts": (alerts,),
    "Accountability": (audit, undo, notes),
    "Privacy": (forget,),
    "Questions": (questions,),
    "Help": (help,),
}

_NOT_WRITTEN_DOWN = (
    "Not done, or not in full: the database cannot be used now.",
    ("Once ", code("status"), " answers again, look how things stand before you repeat it."),
)


class Console:
    """Carries out commands at one desk."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def type(self, text: str, author: Author) -> Answer:
        """Carry out what was typed, which is one command, even on several lines."""
        try:
            words = _read(text)
        except ValueError as error:
            return Answer((str(error),), ok=False)
        return await self.carry_out(words, author)

    async def hold(self, text: str, author: Author) -> Answer:
        """Ask whether to carry out what was typed too long ago."""
        came = "This command came while I was away, too long ago to be carried out unasked."
        try:
            words = _read(text)
        except ValueError as error:
            return Answer((came, str(error)), ok=False)
        return await self._call(author).ask((came,), words)

    def _call(self, author: Author) -> Call:
        return Call(self._desk, author, lambda words: self.carry_out(words, author))

    async def carry_out(self, words: Sequence[str], author: Author) -> Answer:
        """Carry out a command given word by word; what the user did wrong is answered."""
        typed = list(words) or ["help"]
        words = ["help" if typed[0] in _HELP else typed[0], *typed[1:]]
        name = table.true_name(words[0])
        if name is None:
            return _unknown(typed)
        words[0] = name
        if any(word in _HELP for word in takewhile(lambda word: word != "--", words)):
            words = ["help", *table.named(words)[0]]
        call = self._call(author)
        try:
            answer = await table.main(words, prog_name="porter", standalone_mode=False, obj=call)
        except (click.ClickException, ValueError) as error:
            return _misuse(error, typed, words)
        except SQLAlchemyError as error:
            _log.error("command_not_recorded", command=words[0], reason=str(error))
            return Answer(_NOT_WRITTEN_DOWN, ok=False)
        except OSError as error:
            what = error.strerror or "a file cannot be used"
            line: Line = ("Not done, or not in full: ", code(error.filename or "-"), f", {what}")
            return Answer((line,), ok=False)
        assert isinstance(answer, Answer)
        return answer


def _read(text: str) -> list[str]:
    """The words of what was typed. Raises ValueError with one sentence."""
    text = text.encode("utf-8", "replace").decode()  # JSON may hold half a character
    if _ANOTHER.search(text):
        raise ValueError("One message is one command, so this was not carried out.")
    try:
        return split(without_remarks(text))
    except ValueError:
        raise ValueError("A quotation mark is not closed.") from None


def without_remarks(text: str) -> str:
    """The text of a command that takes lists without what stands after # in its lines."""
    first = text.split(maxsplit=1)[:1]
    if not first or not isinstance(table.named(first)[1], Listing):
        return text
    kept, last = [], ""
    # Line by line: what stands behind a # must not come back by a mark opened in another line.
    for line in text.split("\n"):
        end = len(line)
        for found in _WORD.finditer(line):
            # The value of an option may begin with #, as a ticket's number.
            is_value = _dashed(last).startswith("--") and "=" not in last
            if found[0].startswith("#") and not is_value:
                end = found.start()
                break
            last = found[0]
        kept.append(line[:end])
    return "\n".join(kept)


def split(text: str) -> list[str]:
    """Words, also within quotation marks, but without escapes: a pattern is full of backslashes.

    The marks and dashes that telephones make of `"`, `'` and `--` count as these. A mark within a
    word is part of it. Raises ValueError when a quotation mark is not closed.
    """
    words = []
    for found in _WORD.finditer(text):
        option, quoted, word = found["option"], found["double"] or found["single"], found["word"]
        if word is None:
            words.append(_dashed(option) + (quoted or ""))
        elif _OPENED.match(word):
            raise ValueError("a quotation mark is not closed")
        else:
            words.append(_dashed(word))
    return words


def _dashed(word: str) -> str:
    return _LONG_DASH.sub("--", word)


def _unknown(typed: Sequence[str]) -> Answer:
    word = typed[0]
    near = table.true_name(nearest(word, table.names()) or "")
    line: Line = ("There is no command ", code(word), ".", *suggestion(near))
    return Answer((pointed(typed, (0, 1)), line, ("All commands: ", code("help"))), ok=False)


def _misuse(error: Exception, typed: Sequence[str], words: Sequence[str]) -> Answer:
    """What is wrong, where it stands in what was typed, and how the command is written."""
    line, span = find(error, typed)
    lines: list[Line] = [line]
    if span is not None:
        path, command = table.named(words)
        lines = [pointed(typed, span), line, ("Usage: ", code(usage(command, " ".join(path))))]
    return Answer(tuple(lines), ok=False)
