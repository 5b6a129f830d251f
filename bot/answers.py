"""What the bot says: lines of our own words, with every outside value set apart.

A line is plain text, or a tuple of plain text and `code(...)`; beside lines there are `Grid`s, and
`Block`s for what must keep its columns. Names, addresses, reasons and
patterns come from outside and belong into `code`, so that no client makes a link, a mention or
formatting of them. Control and bidirectional characters are shown as escapes everywhere.
"""

import html
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.rules.letters import visible

FOLD_AFTER = 10  # lines; a longer answer is folded behind its first line
LARGEST = 24_000  # bytes of plain and HTML together: 65,536 is an event's end, encryption adds half
_LONGEST_VALUE = 400  # characters of one outside value


@dataclass(frozen=True, slots=True)
class Code:
    """A value that came from outside."""

    text: str


Part = str | Code
Cell = Part | tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Grid:
    """A table: titles, and rows of as many cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@dataclass(frozen=True, slots=True)
class Block:
    """Lines of text whose columns matter, in letters of one width."""

    text: str


Line = Cell | Grid | Block


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes with an answer. `text` says in words what it shows.

    A picture has its size in pixels.
    """

    name: str
    content_type: str
    data: bytes
    text: str
    size: tuple[int, int] | None = None


def code(value: object) -> Code:
    """Set an outside value apart."""
    return Code(str(value))


def counted(number: int, noun: str) -> str:
    """`1 account`, `1,200 accounts`."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer; `ok` is False when what was asked for was not done.

    `offers` are reactions to it, each with the command that it stands for. An answer that `asks`
    waits for one of them: nothing was done yet, and nothing failed.
    """

    lines: tuple[Line, ...]
    ok: bool = True
    offers: tuple[tuple[str, str], ...] = ()
    asks: bool = False
    attachments: tuple[Attachment, ...] = ()

    def plain(self) -> str:
        """The answer as text, one line under the other."""
        return "\n".join(_plain(line) for line in self._fitting())

    def html(self) -> str:
        """The answer as Matrix HTML; a long one is folded behind its first line."""
        lines = [_html(line) for line in self._fitting()]
        height = sum(map(_height, self._fitting()))
        if height <= FOLD_AFTER or len(lines) < 2:
            return _joined(lines)
        return f"<details><summary>{lines[0]}</summary>{_joined(lines[1:])}</details>"

    def _fitting(self) -> Iterable[Line]:
        """The lines that one event can carry, and a last one that counts what it cannot."""
        room = LARGEST
        for at, line in enumerate(self.lines):
            room -= _weight(line)
            if room >= 0:
                continue
            left = sum(map(_height, self.lines[at:]))
            kept: tuple[Line, ...] = self.lines[:at]
            if isinstance(line, Grid):
                part = _beginning(line, room + _weight(line))
                left -= len(part.rows) + 1 if part.rows else 0
                kept += (part,) if part.rows else ()
            return *kept, f"… {counted(left, 'more line')}"
        return self.lines


def _beginning(grid: Grid, room: int) -> Grid:
    """As many rows of a grid as there is room for, in bytes."""
    room -= _weight(Grid(grid.head, ()))
    for at, row in enumerate(grid.rows):
        room -= _weight(Grid((), (row,)))
        if room < 0:
            return Grid(grid.head, grid.rows[:at])
    return grid


def _weight(line: Line) -> int:
    return len(_plain(line).encode()) + len(_html(line).encode()) + 8


def _height(line: Line) -> int:
    if isinstance(line, Grid):
        return len(line.rows) + 1
    return line.text.count("\n") + 1 if isinstance(line, Block) else 1


def _parts(line: Cell) -> tuple[Part, ...]:
    return line if isinstance(line, tuple) else (line,)


def _shown(part: Part) -> str:
    if isinstance(part, str):
        return visible(part)
    text = part.text
    return visible(text if len(text) <= _LONGEST_VALUE else text[: _LONGEST_VALUE - 1] + "…")


def _lines(block: Block) -> str:
    return "\n".join(map(visible, block.text.split("\n")))


def _plain(line: Line) -> str:
    if isinstance(line, Grid):
        rows = [" · ".join(line.head), *(" · ".join(map(_plain, row)) for row in line.rows)]
        return "\n".join(rows)
    if isinstance(line, Block):
        return _lines(line)
    return "".join(map(_shown, _parts(line)))


def _html(line: Line) -> str:
    if isinstance(line, Grid):
        head = "".join(f"<th>{html.escape(title)}</th>" for title in line.head)
        rows = "".join(
            f"<tr>{''.join(f'<td>{_html(cell)}</td>' for cell in row)}</tr>" for row in line.rows
        )
        return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
    if isinstance(line, Block):
        return f"<pre><code>{html.escape(_lines(line))}</code></pre>"

    def dressed(part: Part) -> str:
        text = html.escape(_shown(part))
        return f"<code>{text}</code>" if isinstance(part, Code) else text

    return "".join(map(dressed, _parts(line)))


def _joined(lines: list[str]) -> str:
    """Lines under each other; a table or a block begins a new line by itself."""
    text = "<br>".join(lines)
    for tag in ("table", "pre"):
        text = text.replace(f"<br><{tag}>", f"<{tag}>").replace(f"</{tag}><br>", f"</{tag}>")
    return text
