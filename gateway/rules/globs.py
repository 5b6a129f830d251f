"""Globs: `*` for anything, `?` for one character, `[abc]` and `[!abc]` for one of these or not."""

import re

_SPECIAL = re.compile(r"[*?\[\]]")


def is_glob(text: str) -> bool:
    """Whether `text` holds a character that has a meaning in globs."""
    return _SPECIAL.search(text) is not None


def expression(glob: str) -> str:
    """The anchored expression for `*`, `?`, `[abc]` and `[!abc]`; all else is itself."""
    parts, position = [], 0
    while position < len(glob):
        char = glob[position]
        # A bracket that stands first in a class is one of its members.
        first = position + (3 if glob.startswith("[!", position) else 2)
        end = glob.find("]", first) if char == "[" else -1
        if char == "*":
            parts.append(".*")
        elif char == "?":
            parts.append(".")
        elif end > 0:
            inside = re.sub(r"[\[\]\\^]", r"\\\g<0>", glob[position + 1 : end])
            parts.append(f"[{'^' + inside[1:] if inside.startswith('!') else inside}]")
            position = end
        else:
            parts.append(re.escape(char))
        position += 1
    return f"^(?:{''.join(parts)})$"
