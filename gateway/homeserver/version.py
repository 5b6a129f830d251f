"""Versions as homeservers write them: `1.163.2`, `0.5.0-rc4 (a1b2c3d)`,
`26.8.0-alpha.1`, `v1.22.0`.

What follows the numbers is not compared: a release candidate has what its release will have.
"""

import re
from dataclasses import dataclass, field

_NUMBERS = re.compile(r"v?(\d{1,6}(?:\.\d{1,6}){0,4})(?!\d)", re.ASCII)
_LONGEST = 60  # characters of one that is told


@dataclass(frozen=True, order=True, slots=True)
class Version:
    """Its numbers without the zeros at their end, and how it is written. None are no version."""

    numbers: tuple[int, ...] = ()
    text: str = field(default="", compare=False)

    @property
    def is_known(self) -> bool:
        """Whether there are numbers to compare."""
        return bool(self.text)


NO_VERSION = Version()


def parse_version(written: object) -> Version:
    """Read what a server wrote, which may be anything."""
    text = " ".join(written.split())[:_LONGEST] if isinstance(written, str) else ""
    found = _NUMBERS.match(text)
    if found is None:
        return NO_VERSION
    numbers = [int(each) for each in found[1].split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return Version(tuple(numbers), text)
