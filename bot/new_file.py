"""A new file: whole or not at all, and never in another one's place."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A new file that only its owner reads; it gets its name when all is written.

    Raises OSError, a FileExistsError when there is one of that name.
    """
    if os.path.lexists(path):
        raise FileExistsError(17, "it is there already, and nothing is overwritten", str(path))
    draft = path.with_name(f".{path.name}.new")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            os.fchmod(descriptor, 0o600)
            yield stream
            stream.flush()
            os.fsync(descriptor)
        draft.rename(path)
    finally:
        draft.unlink(missing_ok=True)
