"""The table of commands: one for the room and the terminal.

A command is a coroutine that gets a `Call` and the arguments that click has read, and returns an
`Answer`. What it raises as click.ClickException or ValueError is told in one sentence.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import click

from bot.answers import Answer, Line, code
from gateway.app import Desk
from gateway.rules.durations import parse_duration
from gateway.store import questions
from gateway.store.audit import Author


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
            lambda c: questions.ask(c, self.author.who, tuple(words), now)
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
            self.fail("A span of time is longer than nothing.", param, ctx)
        return span


class Number(click.ParamType[int]):
    """The number of a registration: `12`, or `#12`."""

    name = "number"

    def convert(self, value: Any, param: Any, ctx: Any) -> int:
        digits = str(value).removeprefix("#")
        # The largest that the database knows has 19 digits.
        if not (digits.isascii() and digits.isdigit() and len(digits) <= 18):
            self.fail(f"{str(value)[:40]!r} is no number of a registration.", param, ctx)
        return int(digits)


SPAN = Span()
NUMBER = Number()


class Listing(click.Command):
    """A command whose values may be pasted as they stand in a list: what follows a # is ignored."""


class Table(click.Group):
    """The commands in the order in which `help` shows them, by chapter."""

    def chapters(self) -> dict[str, list[click.Command]]:
        """The commands by the module that they stand in."""
        found: dict[str, list[click.Command]] = {}
        for command in self.commands.values():
            module = str(getattr(command.callback, "__module__", ""))
            found.setdefault(module.rpartition(".")[2], []).append(command)
        return found


# Without --help: `help COMMAND` answers in the room, where click's own would print to nobody.
table = Table(
    "porter",
    # Telephones begin a message with a capital.
    context_settings={"help_option_names": [], "token_normalize_func": str.lower},
    no_args_is_help=False,
)


def when(at: datetime | None) -> str:
    """A moment as moderators read it: UTC to the minute."""
    return "never" if at is None else f"{at:%Y-%m-%d %H:%M} UTC"
