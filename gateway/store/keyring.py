"""The desk's own keys: what it signs, and how it recognises what it keeps no more.

They lie in `state/keys`, one a line, the newest first: `2026-11-25 hex`. The newest signs; every
one is believed, so that links in old mails work and an address is recognised after a rotation.
"""

import hmac
import os
import re
import secrets
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from gateway.folder import alone_in, sync

_BYTES = 32
_SIGNATURE = 32  # characters of hex: 128 bits
_PSEUDONYM = re.compile(f"#[0-9a-f]{{{_SIGNATURE}}}")


class Keyring:
    """The keys of one state folder, read again when another process changed them.

    What is signed for one purpose is worth nothing for another.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[int, int] | None = None
        self._keys: tuple[bytes, ...] = ()

    def open(self, now: datetime) -> None:
        """Make the first key where there is none. Raises OSError, and ValueError for a bad file."""
        with alone_in(self._path.parent):
            if not self._path.exists():
                self._write([_fresh(now)])
        self._current()

    def rotate(self, now: datetime, *, drop_old: bool = False) -> None:
        """Sign with a fresh key from now on.

        With `drop_old` nothing that was signed before is believed, and no address of before is
        recognised. Raises OSError, and ValueError for a bad file.
        """
        with alone_in(self._path.parent):
            old = [] if drop_old else self._path.read_text().splitlines()
            self._write([_fresh(now), *old])
        self._current()

    def sign(self, purpose: str, text: str) -> str:
        """The signature of `text`, 32 characters of hex."""
        return _mac(self._current()[0], purpose, text)

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether we signed `text` for that purpose, with any of the keys."""
        given = signature.encode()
        macs = (_mac(key, purpose, text).encode() for key in self._current())
        return any(hmac.compare_digest(mac, given) for mac in macs)

    def secrets(self, purpose: str) -> tuple[str, ...]:
        """Secrets for a library that signs by itself: the newest to sign, each to believe."""
        return tuple(_mac(key, purpose, "") for key in self._current())

    def pseudonyms(self, email_key: str) -> tuple[str, ...]:
        """Under which words an address is recognised that is kept no more, the newest first.

        Without the keys nobody finds out whose they are, nor tries addresses against them. What is
        a pseudonym already stands for itself.
        """
        if _PSEUDONYM.fullmatch(email_key):
            return (email_key,)
        return tuple(f"#{_mac(key, 'address', email_key)}" for key in self._current())

    def _current(self) -> tuple[bytes, ...]:
        found = self._path.stat()
        if self._read != (found.st_ino, found.st_mtime_ns):
            lines = self._path.read_text().splitlines()
            try:
                keys = tuple(bytes.fromhex(line.split()[1]) for line in lines)
            except (IndexError, ValueError):
                keys = ()
            if not keys or any(len(key) != _BYTES for key in keys):
                raise ValueError(f"{self._path} holds no keys: put back the one of your backup")
            self._keys, self._read = keys, (found.st_ino, found.st_mtime_ns)
        return self._keys

    def _write(self, lines: list[str]) -> None:
        draft = self._path.with_name(f".{self._path.name}.new")
        draft.unlink(missing_ok=True)
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as stream:
            stream.write("".join(f"{line}\n" for line in lines))
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(self._path)
        sync(self._path.parent)


def _fresh(now: datetime) -> str:
    return f"{now:%Y-%m-%d} {secrets.token_hex(_BYTES)}"


def _mac(key: bytes, purpose: str, text: str) -> str:
    message = f"{purpose}\0{text}".encode()
    return hmac.new(key, message, sha256).hexdigest()[:_SIGNATURE]
