"""The table of commands: one for the room and the terminal.

A command is a coroutine that gets a `Call` and the arguments that click has read, and returns an
`Answer`. What it raises as click.ClickException or ValueError is told in one sentence.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import ModuleType
from typing import Any, TypeVar

import click

from bot.answers import Answer, Line, code
from bot.mistakes import Surplus
from gateway.desk import Desk
from gateway.rules.durations import parse_duration
from gateway.store import questions
from gateway.store.audit import Author

C = TypeVar("C", bound=click.Command)


@dataclass(frozen=True, slots=True)
class Call:
    """One command being carried out: at which desk, and for whom.

    `carry_out` runs another command in its place.
    """

    desk: Desk
    author: Author
    carry_out: Callable[[Sequence[str]], Awaitable[Answer]]

    async def ask(self, lines: Sequence[Line], words: Sequence[str]) -> Answer:
        """Ask whether to carry out `words`, which a moderator may answer also after a restart."""
        now = self.desk.clock()
        number = await self.desk.database.write(
            lambda c: questions.ask(c, self.author, tuple(words), now)
        )
        yes, no = f"confirm {number}", f"cancel {number}"
        last = ("Shall I? React with ✅ or say ", code(yes), "; ❌ or ", code(no), " leaves it.")
        return Answer((*lines, last), ok=False, asks=True, offers=(("✅", yes), ("❌", no)))


class Span(click.ParamType[timedelta]):
    """A span of time such as `7d` or `1h30m`."""

    name = "span"

    def convert(self, value: Any, param: Any, ctx: Any) -> timedelta:
        if isinstance(value, timedelta):
            return value
        try:
            span = parse_duration(str(value))
        except ValueError as error:
            self.fail(f"{error}.", param, ctx)
        if not span:
            self.fail(f"{str(value)[:40]!r} is no time at all: write it like 7d.", param, ctx)
        return span


class Number(click.ParamType[int]):
    """The number of something: `12`, or `#12`."""

    name = "number"

    def __init__(self, what: str) -> None:
        self._what = what

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        digits = str(value).removeprefix("#")
        # The largest that the database knows has 19 digits.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            self.fail(f"{str(value)[:40]!r} is no number of {self._what}.", param, ctx)
        return int(digits)


class Count(click.ParamType[int]):
    """How many, from one on."""

    name = "count"

    def __init__(self, most: int) -> None:
        self._most = most

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        text = str(value)
        number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
        if not 0 < number <= self._most:
            self.fail(f"{text[:40]!r} is no number from 1 to {self._most}.", param, ctx)
        return number


SPAN = Span()
NUMBER = Number("a registration")
ENTRY = Number("an entry of the log")


class Listing(click.Command):
    """A command whose values may be pasted as they stand in a list: what follows a # is ignored."""


class _Command(click.Command):
    """Says which arguments are too many."""

    allow_extra_args = True

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        left = super().parse_args(ctx, args)
        if left:
            raise Surplus(left, ctx)
        return left


class Group(click.Group):
    """A command with commands of its own."""

    command_class = _Command


class Table(Group):
    """All commands. `chapters` are titles with modules of commands, in the order of `help`."""

    group_class = Group

    def __init__(self, name: str, **attrs: Any) -> None:
        super().__init__(name, **attrs)
        self.chapters: dict[str, tuple[ModuleType, ...]] = {}
        self.aliases: dict[str, str] = {}  # other names, each with the true one

    def true_name(self, word: str) -> str | None:
        """The name of the command that a word stands for."""
        name = self.aliases.get(word.lower(), word.lower())
        return name if name in self.commands else None

    def named(self, words: Sequence[str]) -> tuple[list[str], click.Command]:
        """Those of the words that name a command, and this command; itself when there is none."""
        path: list[str] = []
        found: click.Command = self
        for word in map(str.lower, words):
            name = self.aliases.get(word, word) if found is self else word
            if not isinstance(found, click.Group) or name not in found.commands:
                break
            found = found.commands[name]
            path.append(name)
        return path, found

    def names(self) -> list[str]:
        """Every word that stands for a command."""
        return [*self.commands, *self.aliases]

    def others(self, name: str) -> list[str]:
        """The aliases of one command."""
        return [alias for alias, true in self.aliases.items() if true == name]

    def of(self, module: ModuleType) -> list[click.Command]:
        """The commands that stand in one module."""
        return [
            each
            for each in self.commands.values()
            if getattr(each.callback, "__module__", None) == module.__name__
        ]


# Without --help: `help COMMAND` answers in the room, where click's own would print to nobody.
table = Table(
    "porter",
    # Telephones begin a message with a capital.
    context_settings={"help_option_names": [], "token_normalize_func": str.lower},
    no_args_is_help=False,
)


def also(*aliases: str) -> Callable[[C], C]:
    """Give a command of the table other names too; stands above `@table.command()`."""

    def enter(command: C) -> C:
        assert command.name is not None
        table.aliases |= dict.fromkeys(aliases, command.name)
        return command

    return enter


def when(at: datetime | None) -> str:
    """A moment as moderators read it: UTC to the minute."""
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
