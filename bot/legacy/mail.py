"""The older system's mail, written for Python's `format`, as a Jinja template of the same words."""

import re
from string import Formatter

_WORDS = "homeserver|registration_token|requested_username|utc_time|time_until_reset"
# A brace that Jinja, or our own reading of the old placeholders, would take for a beginning.
_BEGINNING = re.compile(rf"\{{(?=[{{%#]|(?:{_WORDS})\}}|\Z)")


def translate_body(body: str) -> tuple[str, list[str]]:
    """The template, and a note for each thing that could not be kept."""
    try:
        parts = [*Formatter().parse(body)]
    except ValueError:
        note = "its braces do not pair, over which the older system fell; it is taken as it stands"
        return _quoted(body) + "\n", [note]
    made, literal, notes = "", "", []
    for text, word, _, _ in parts:
        literal += text  # one text may come in several parts, divided at its doubled braces
        if word is None:
            continue
        if re.fullmatch(_WORDS, word):
            made += f"{_quoted(literal)}{{{{ {word} }}}}"
            literal = ""
        else:
            notes.append(f"nothing fills {{{word}}}; it stands there as it is")
            literal += f"{{{word}}}"
    return f"{made}{_quoted(literal)}".rstrip("\n") + "\n", notes


def _quoted(text: str) -> str:
    return _BEGINNING.sub("{{ '{' }}", text)
