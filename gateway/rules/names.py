"""User names: the part of a Matrix id that an applicant chooses.

Matrix 1.16, appendices 4.2.1 allows `a-z 0-9 . _ = - / +`; the servers differ in what they take
of it, so only what every one of them takes is let through.
"""

import re

_NAME = re.compile(r"[a-z0-9][a-z0-9._=-]*")
_LONGEST_ID = 254  # bytes of the whole id: conduwuit counts one less than the specification's 255


def parse_name(text: str, server_name: str) -> str:
    """The name somebody typed, in lower case; a whole id of this server is accepted too.

    Raises ValueError with one sentence for the person who typed it.
    """
    name = text.strip()
    if name.startswith("@"):
        name = name[1:].removesuffix(f":{server_name}")
    if not name:
        raise ValueError("Please choose a user name.")
    if name.isascii():  # some letters that are no ASCII have a small form that is (the kelvin sign)
        name = name.lower()
    if not _NAME.fullmatch(name):
        raise ValueError(
            "A user name begins with a letter a-z or a digit, and goes on with letters a-z,"
            " digits and . _ = -"
        )
    if name.isdigit():
        raise ValueError("A user name needs at least one character that is no digit.")
    longest = _LONGEST_ID - len(f"@:{server_name}".encode())
    if len(name) > longest:
        raise ValueError(f"A user name has at most {longest} characters on this server.")
    return name
