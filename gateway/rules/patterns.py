"""Many regular expressions asked at once, in time linear in the text whatever they say (RE2).

RE2's `Set` answers "none" both when nothing matches and when it ran out of memory, so an
expression that always matches stands among the others: when even that one is missing, each is
asked alone.
"""

from typing import Any

import re2

LONGEST = 500  # characters of one expression
_MEMORY = 128 << 20  # bytes for one set: RE2's own 8 MiB do not hold 10,000 expressions
_CROWDED = 64  # expressions asked one by one before the set should be made anew


def _options(memory: int) -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = memory
    return options


def compiled(expression: str) -> Any:
    """One expression, ignoring case. Raises ValueError with one sentence."""
    if len(expression) > LONGEST:
        raise ValueError(f"a pattern has at most {LONGEST} characters")
    try:
        return re2.compile(expression, _options(8 << 20))
    except re2.error as error:
        reason = error.args[0] if error.args else "it cannot be read"
        if isinstance(reason, bytes):
            reason = reason.decode(errors="replace")
        raise ValueError(f"{expression[:60]!r} is no pattern ({reason})") from None


class PatternSet:
    """Labels, each with an expression that is searched for. A new one is in force at once."""

    def __init__(self) -> None:
        self._expressions: dict[str, str] = {}
        self._recent: dict[str, Any] = {}  # not in the set yet
        # The set, and what it holds by its numbers (the first is the canary): changed together.
        self._set: tuple[Any, list[str]] | None = None

    def add(self, label: str, expression: str) -> None:
        """Raises ValueError when the expression cannot be read."""
        if label not in self._expressions:
            self._recent[label] = compiled(expression)
            self._expressions[label] = expression

    def matching(self, text: str) -> list[str]:
        """The labels whose expression is found in `text`."""
        found = [label for label, each in list(self._recent.items()) if each.search(text)]
        if self._set is not None:
            expressions, labels = self._set
            numbers = expressions.Match(text)
            found += [labels[n] for n in numbers if n] if numbers else self._one_by_one(text)
        return list(dict.fromkeys(found))

    @property
    def is_crowded(self) -> bool:
        """Whether so many are new that `compact` is worth its time."""
        return len(self._recent) > max(_CROWDED, len(self._expressions) // 50)

    def compact(self) -> None:
        """Put all expressions into one set; may run beside `matching` in another thread."""
        expressions = dict(self._expressions)
        made = re2.Set.SearchSet(_options(_MEMORY))
        made.Add("")
        for expression in expressions.values():
            made.Add(expression)
        made.Compile()
        self._set = made, ["", *expressions]
        for label in expressions:
            self._recent.pop(label, None)

    def _one_by_one(self, text: str) -> list[str]:
        return [
            label
            for label, expression in list(self._expressions.items())
            if compiled(expression).search(text)
        ]

    def __contains__(self, label: str) -> bool:
        return label in self._expressions

    def __len__(self) -> int:
        return len(self._expressions)
