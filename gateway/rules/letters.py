"""Letters that hide or turn others: control and bidirectional characters, shown as escapes."""

import unicodedata

_HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


def visible(text: str) -> str:
    """`text` with every character that hides or turns others written as an escape.

    They would let a stranger's value rewrite what somebody else reads.
    """
    return "".join(
        _escape(char) if unicodedata.category(char) in _HIDDEN else char for char in text
    )


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
