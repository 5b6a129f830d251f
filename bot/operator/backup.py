"""A backup: one file with a consistent copy of the database, made while the desk works.

It is complete and checked before it gets its name, so whatever has that name is a backup.
"""

import os
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from gateway.store.database import Database, complaint

NOT_IN_IT = (
    "Not in it: the desk's keys (the file keys of the state folder), without which no address that"
    " was forgotten is recognised and no link in an old mail works; the bot's keys (the folder bot"
    " beside it), the ban files, the token file, and the configuration with its secrets. Copy those"
    " as files."
)


class BackupError(Exception):
    """No backup was made; one sentence says why."""


def back_up(database: Database, target: Path) -> int:
    """Copy the database to `target`, a new file that only its owner reads; returns its bytes.

    Raises BackupError, and then leaves nothing behind.
    """
    if not database.path.is_file():
        raise BackupError(f"There is no database {database.path} to back up.")
    if os.path.lexists(target):
        raise BackupError(f"{target} is there already; a backup overwrites nothing.")
    draft = target.with_name(f".{target.name}.new")
    try:
        # Ours alone from the first byte on: it holds addresses and tokens.
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        raise BackupError(
            f"{draft} is there: another backup is under way; if none is, remove it."
        ) from None
    except OSError as error:
        raise BackupError(f"{target} cannot be written ({error.strerror}).") from None
    try:
        database.backup(draft)
        _synced(draft)
        draft.rename(target)
        _synced(target.parent)
        return target.stat().st_size
    except SQLAlchemyError as error:
        raise BackupError(f"The database cannot be copied ({complaint(error)}).") from None
    except OSError as error:
        raise BackupError(f"{target} cannot be written ({error.strerror}).") from None
    finally:
        for rest in ("", "-journal", "-wal", "-shm"):
            draft.with_name(draft.name + rest).unlink(missing_ok=True)


def _synced(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
