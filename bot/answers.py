"""What the bot says: lines of our own words, with every outside value set apart.

A line is plain text, or a tuple of plain text and `code(...)`. Names, addresses, reasons and
patterns come from outside and belong into `code`, so that no client makes a link, a mention or
formatting of them. Control and bidirectional characters are shown as escapes everywhere: they
would let a stranger's value rewrite what a moderator reads.
"""

import html
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

FOLD_AFTER = 10  # lines; a longer answer is folded behind its first line
LARGEST = 24_000  # bytes of plain and HTML together: 65,536 is an event's end, encryption adds half
_LONGEST_VALUE = 400  # characters of one outside value
_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@dataclass(frozen=True, slots=True)
class Code:
    """A value that came from outside."""

    text: str


Part = str | Code
Line = Part | tuple[Part, ...]


def code(value: object) -> Code:
    """Set an outside value apart."""
    return Code(str(value))


def visible(text: str) -> str:
    """`text` with every character that hides or turns others written as an escape."""
    return "".join(
        _escape(char) if unicodedata.category(char) in _HIDDEN else char for char in text
    )


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `ok` is False when what was asked for was not done."""

    lines: tuple[Line, ...]
    ok: bool = True

    def plain(self) -> str:
        """The answer as text, one line under the other."""
        return "\n".join(_plain(line) for line in self._fitting())

    def html(self) -> str:
        """The answer as Matrix HTML; a long one is folded behind its first line."""
        lines = [_html(line) for line in self._fitting()]
        if len(lines) <= FOLD_AFTER:
            return "<br>".join(lines)
        return f"<details><summary>{lines[0]}</summary>{'<br>'.join(lines[1:])}</details>"

    def _fitting(self) -> Iterable[Line]:
        """The lines that one event can carry, and a last one that counts what it cannot."""
        room = LARGEST
        for at, line in enumerate(self.lines):
            room -= len(_plain(line).encode()) + len(_html(line).encode()) + 8
            if room < 0:
                left = len(self.lines) - at
                return *self.lines[:at], f"… {left} more {'line' if left == 1 else 'lines'}"
        return self.lines


def _parts(line: Line) -> tuple[Part, ...]:
    return line if isinstance(line, tuple) else (line,)


def _shown(part: Part) -> str:
    if isinstance(part, str):
        return visible(part)
    text = part.text
    return visible(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")


def _plain(line: Line) -> str:
    return "".join(map(_shown, _parts(line)))


def _html(line: Line) -> str:
    def dressed(part: Part) -> str:
        text = html.escape(_shown(part))
        return f"<code>{text}</code>" if isinstance(part, Code) else text

    return "".join(map(dressed, _parts(line)))
