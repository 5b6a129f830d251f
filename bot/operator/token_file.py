"""Whether what is written into the token file reaches the homeserver, and lets nobody else in."""

import stat
from pathlib import Path

from bot.operator.finding import Finding

_MOUNTS = Path("/proc/self/mountinfo")
_LARGEST = 1 << 20  # bytes of a token file that are looked at


def look(path: Path) -> list[Finding]:
    """What is wrong with the file as it is; that its folder can be used is found out elsewhere."""
    return _place(path) or [*_rights(path), *_content(path)]


def _place(path: Path) -> list[Finding]:
    where = f"homeserver.token_file: {path}"
    if path.is_dir():
        return [Finding(f"{where} is a folder; name a file in it")]
    if str(path.resolve()) in mount_points(_read(_MOUNTS)):
        text = (
            f"{where} is mounted by itself, so it cannot be replaced and others keep its old"
            " content; mount its folder, here and where the homeserver runs"
        )
        return [Finding(text)]
    return []


def mount_points(mountinfo: str) -> set[str]:
    """The places of all mounts, from the text of /proc/self/mountinfo (proc(5)), which writes
    spaces and the like as three octal digits."""
    fields = (line.split(" ") for line in mountinfo.splitlines())
    return {
        each[4].encode().decode("unicode_escape").encode("latin-1").decode(errors="replace")
        for each in fields
        if len(each) > 4
    }


def _rights(path: Path) -> list[Finding]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError:
        return []
    if mode & 0o044:
        return []
    text = (
        f"homeserver.token_file: only the owner of {path} reads it; let the homeserver's user read"
        " it too, if it is another"
    )
    return [Finding(text, is_warning=True)]


def _content(path: Path) -> list[Finding]:
    text = _read(path)
    where = f"homeserver.token_file: {path}"
    if not path.is_file():
        return []
    if not text.strip():
        return [
            Finding(f"{where} is empty, which opens some homeservers to all; put a token in it")
        ]
    if any(not line.strip() for line in text.splitlines()):
        return [
            Finding(f"{where} holds a blank line, which some servers take for a token; remove it")
        ]
    if not text.endswith("\n"):
        return [
            Finding(
                f"{where} breaks off in its last line; end it, or remove a token cut short", True
            )
        ]
    return []


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(_LARGEST)
    except OSError:
        return ""
