"""A mistake in a typed line: under which word it lies, and what would be right there."""

import unicodedata
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches

import click

from bot.answers import Block, Line, Part, code
from gateway.rules.letters import visible

_BEFORE, _HIT, _AFTER = 40, 60, 20  # characters shown of a long line around the mistake
_QUOTED = (None, 40, 60)  # to so many characters a sentence shortens the value that it quotes

Span = tuple[int, int]  # the first word, and the one after the last


class Surplus(click.UsageError):
    """More arguments than the command takes; `words` are those over."""

    def __init__(self, words: Sequence[str], context: click.Context) -> None:
        super().__init__("There are more arguments than the command takes.", context)
        self.words = words


def nearest(word: str, known: Iterable[str]) -> str | None:
    """What was probably meant."""
    word = word.lower()
    found = get_close_matches(word, [*known])
    # Swapped letters are the likeliest slip: `stauts` is `status`, though `stats` is as near.
    swapped = [each for each in found if sorted(each) == sorted(word)]
    return next(iter(swapped + found), None)


def suggestion(near: str | None) -> tuple[Part, ...]:
    """The end of a sentence that says so."""
    return () if near is None else (" Did you mean ", code(near), "?")


def find(error: Exception, words: Sequence[str]) -> tuple[Line, Span | None]:
    """What would be right, in one sentence, and where in `words` it is wrong."""
    if isinstance(error, click.NoSuchOption):
        name = error.option_name
        near = error.possibilities[0] if error.possibilities else None
        line = ("No such option ", code(name), ".", *suggestion(near))
        return line, _last(words, lambda word: word.lower().startswith(name.lower()))
    if isinstance(error, click.NoSuchCommand):
        name = error.command_name
        near = error.possibilities[0] if error.possibilities else None
        line = ("There is no command ", code(name), ".", *suggestion(near))
        return line, _last(words, lambda word: word.lower() == name.lower())
    if isinstance(error, click.MissingParameter):
        return _missing(error), (len(words), len(words) + 1)
    if isinstance(error, Surplus):
        first = error.words[0]
        count = "One word" if len(error.words) == 1 else f"{len(error.words)} words"
        line = (f"{count} too many: ", code(" ".join(error.words)))
        return line, _last(words, lambda word: word == first)
    if isinstance(error, click.BadOptionUsage):
        name = error.option_name
        return error.message, _last(words, lambda word: word.lower().startswith(name.lower()))
    # click's own "Invalid value for ..." would hide with which value the sentence begins.
    message = error.message if isinstance(error, click.ClickException) else str(error)
    return _quoted(" ".join(message.split()), words)


def pointed(words: Sequence[str], span: Span) -> Block:
    """The line as it was typed, with carets under the words that are wrong."""
    first, after = span
    shown = [_written(word) for word in words]
    before = "".join(f"{word} " for word in shown[:first])
    hit = " ".join(shown[first:after]) or " "
    rest = "".join(f" {word}" for word in shown[after:])
    before = before if len(before) <= _BEFORE else f"…{before[1 - _BEFORE :]}"
    hit = hit if len(hit) <= _HIT else f"{hit[: _HIT - 1]}…"
    rest = rest if len(rest) <= _AFTER else f"{rest[: _AFTER - 1]}…"
    carets = " " * _width(before) + "^" * max(_width(hit), 1)
    return Block(f"{before}{hit}{rest}".rstrip() + f"\n{carets}")


def _missing(error: click.MissingParameter) -> Line:
    parameter = error.param
    if parameter is None or error.ctx is None:
        return error.format_message()
    name = parameter.make_metavar(error.ctx)
    choices = parameter.type.get_missing_message(param=parameter, ctx=error.ctx)
    return ("Missing: ", code(name), *([f". {' '.join(choices.split())}."] if choices else []))


def _quoted(sentence: str, words: Sequence[str]) -> tuple[Line, Span | None]:
    """A sentence that begins with a typed value in quotation marks is about this value."""
    for at in range(len(words) - 1, -1, -1):
        _, has_value, value = words[at].partition("=")
        for typed in (words[at], *([value] if has_value else [])):
            for length in _QUOTED:
                start = repr(typed[:length])
                if sentence.startswith(start):
                    return (code(start), sentence.removeprefix(start)), (at, at + 1)
    return sentence, None


def _last(words: Sequence[str], matches: Callable[[str], bool]) -> Span | None:
    found = [at for at, word in enumerate(words) if matches(word)]
    return (found[-1], found[-1] + 1) if found else None


def _written(word: str) -> str:
    """A word as it may be typed, on one line."""
    word = visible(word)
    return word if word and not any(map(str.isspace, word)) else f'"{word}"'


def _width(text: str) -> int:
    """How many columns a text fills where all letters have one width."""
    return sum(map(_columns, text))


def _columns(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1
