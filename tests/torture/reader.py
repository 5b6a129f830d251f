"""A homeserver's view of a token file: `python -m tests.torture.reader FILE`, until its input ends.

Reads it as often as it can, and says at the end how often, and what was not whole.
"""

import re
import select
import sys
import time
from pathlib import Path

_WHOLE = re.compile(r"(?:[A-Za-z0-9]{16,}\n)+")
_PAUSE = 0.001  # seconds; there are two cores for everybody


def main(path: Path) -> None:
    reads, broken, seen = 0, 0, False
    while not select.select([sys.stdin], [], [], 0)[0]:
        try:
            text = path.read_text(encoding="ascii")
        except FileNotFoundError:
            broken += seen  # only before the first token there is none
        else:
            seen = True
            lines = text.split("\n")
            broken += not _WHOLE.fullmatch(text) or len({*lines}) < len(lines)
            reads += 1
        time.sleep(_PAUSE)
    print(reads, broken)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
