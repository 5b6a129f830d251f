"""Many regular expressions asked at once, in time linear in the text whatever they say (RE2).

RE2 makes one automaton of many expressions, a `Set`. Two traps: it refuses when they are too big
together, so they are divided until each part fits; and it answers "none" both when nothing matches
and when it ran out of memory, so an expression that always matches stands among the others: when
even that one is missing, each is asked alone.
"""

from typing import Any

import re2

LONGEST = 500  # characters of one expression
_MEMORY = 128 << 20  # bytes for one set: RE2's own 8 MiB do not hold 10,000 expressions
_MEMORY_ALONE = 1 << 20  # bytes for one expression
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
        return re2.compile(expression, _options(_MEMORY_ALONE))
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
        # Each set with what it holds, by its numbers; changed together.
        self._sets: list[tuple[Any, list[str]]] = []
        self._alone: dict[str, Any] = {}  # compiled for the days when a set has no memory

    def add(self, label: str, expression: str) -> None:
        """Raises ValueError when the expression cannot be read."""
        if label not in self._expressions:
            self._recent[label] = compiled(expression)
            self._expressions[label] = expression

    def matching(self, text: str) -> list[str]:
        """The labels whose expression is found in `text`."""
        found = [label for label, each in list(self._recent.items()) if each.search(text)]
        for expressions, labels in self._sets:
            numbers = expressions.Match(text) if expressions else None
            if numbers:
                found += [labels[number - 1] for number in numbers if number]
            else:
                found += self._one_by_one(labels, text)
        return list(dict.fromkeys(found))

    @property
    def is_crowded(self) -> bool:
        """Whether so many are new that `compact` is worth its time."""
        return len(self._recent) > max(_CROWDED, len(self._expressions) // 50)

    def compact(self) -> None:
        """Put all expressions into sets; may run beside `matching` in another thread."""
        expressions = dict(self._expressions)
        self._sets = _sets(list(expressions.items())) if expressions else []
        for label in expressions:
            self._recent.pop(label, None)

    def _one_by_one(self, labels: list[str], text: str) -> list[str]:
        for label in labels:
            if label not in self._alone:
                self._alone[label] = compiled(self._expressions[label])
        return [label for label in labels if self._alone[label].search(text)]

    def __contains__(self, label: str) -> bool:
        return label in self._expressions

    def __len__(self) -> int:
        return len(self._expressions)


def _sets(expressions: list[tuple[str, str]]) -> list[tuple[Any, list[str]]]:
    """The expressions (label and text) in as few sets as hold them; None where not one does."""
    made = re2.Set.SearchSet(_options(_MEMORY))
    labels = [label for label, _ in expressions]
    try:
        made.Add("")  # the canary, number 0
        for _, expression in expressions:
            made.Add(expression)
        made.Compile()
    except re2.error:
        if len(expressions) == 1:
            return [(None, labels)]
        middle = len(expressions) // 2
        return _sets(expressions[:middle]) + _sets(expressions[middle:])
    return [(made, labels)]
