"""Rights: the state folder and all in it are their owner's alone.

It holds addresses, tokens and keys. What the homeserver or the moderators read as well (the token
file, the ban files) is spared, also where it lies within.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def tighten(folder: Path, spared: Sequence[Path]) -> list[Path]:
    """Take away what others may do with the folder and what lies in it; returns what was too open.

    Raises ValueError with one sentence for what belongs to somebody else, and OSError.
    """
    tightened = []
    for path in too_open(folder, spared):
        try:
            path.chmod(stat.S_IMODE(path.stat().st_mode) & ~_OTHERS)
        except FileNotFoundError:
            continue  # a log of the database, which its last reader takes along
        except PermissionError:
            raise ValueError(
                f"{path} is open to others and belongs to another user: give it to Porter's user,"
                " or close it to all but its owner"
            ) from None
        tightened.append(path)
    return tightened


def too_open(folder: Path, spared: Sequence[Path]) -> Iterator[Path]:
    """What in a folder, and whether itself, others may read, write or enter.

    Neither links nor what is `spared`, what lies in it, and the folders on the way to it.
    """
    folder, kept = folder.resolve(), [each.resolve() for each in spared]
    if not folder.is_dir():
        return
    for place, folders, files in os.walk(folder):
        here = Path(place)
        folders[:] = [each for each in folders if here / each not in kept]
        if not any(each.is_relative_to(here) for each in kept) and _is_open(here):
            yield here
        for path in (here / each for each in files):
            if path not in kept and _is_open(path):
                yield path


def _is_open(path: Path) -> bool:
    try:
        mode = path.lstat().st_mode
    except FileNotFoundError:
        return False
    return not stat.S_ISLNK(mode) and bool(mode & _OTHERS)
