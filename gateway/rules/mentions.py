"""Mentions: where an address stands in what people and servers wrote, however it is spelt there."""

import json
import re
from typing import Any

from gateway.rules.addresses import parse_address

FORGOTTEN = "[forgotten]"  # stands where the address stood
_WORD = re.compile(r"[^\s<>()\[\]{},;:\"`|]+@[^\s<>()\[\]{},;:\"`|/\\]+")
_AROUND = "'*_~.!?…’‘“”"


def without(text: str, key: str) -> str:
    """`text` with the address of this key taken out; of a JSON list, out of its texts."""
    if "@" not in text:
        return text
    if text.startswith(("[", "{")):
        try:
            found = json.loads(text)
        except ValueError:
            pass
        else:
            bare = _without(found, key)
            return text if bare == found else json.dumps(bare)
    return _WORD.sub(lambda found: _bare(found[0], key), text)


def _without(value: Any, key: str) -> Any:
    if isinstance(value, str):
        return _WORD.sub(lambda found: _bare(found[0], key), value)
    if isinstance(value, list):
        return [_without(each, key) for each in value]
    if isinstance(value, dict):
        return {name: _without(each, key) for name, each in value.items()}
    return value


def _bare(word: str, key: str) -> str:
    """A word without the address in it: all of it, or what stands between signs, or after a `=`."""
    core = word.strip(_AROUND)
    for part in (word, core, core.rpartition("=")[2]):
        try:
            if parse_address(part).key == key:
                return word.replace(part, FORGOTTEN)
        except ValueError:
            continue
    return word
