"""The shelf of static files: read once at start, named after their content.

A name with its hash may be kept for ever; the plain name, which people may have linked to, only
for a few minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType

_OURS = Path(__file__).parent / "static"
_LARGEST = 1024 * 1024  # bytes of an operator's picture; every visitor loads it
_KINDS = {
    ".avif": "image/avif",
    ".css": "text/css; charset=utf-8",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".js": "text/javascript; charset=utf-8",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".webp": "image/webp",
}
_PICTURES = [kind for kind in _KINDS if _KINDS[kind].startswith("image/")]
FOREVER = "public, max-age=31536000, immutable"
BRIEFLY = "public, max-age=300"


@dataclass(frozen=True, slots=True)
class StaticFile:
    """One file in memory. `name` carries the hash of the content."""

    name: str
    kind: str
    content: bytes

    @property
    def etag(self) -> str:
        """The entity tag, in its quotes."""
        return f'"{sha256(self.content).hexdigest()[:32]}"'

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its own; a picture may bring styles, but nothing that acts."""
        headers = {"Content-Type": self.kind, "ETag": self.etag}
        if self.kind == "image/svg+xml":
            policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
            headers["Content-Security-Policy"] = policy
        return headers


class Shelf:
    """Every static file by its name with the hash, and by its plain name.

    `logo` and `favicon` are the operator's own. Raises ValueError, with one sentence, for a file
    that cannot be shown.
    """

    def __init__(self, logo: Path | None = None, favicon: Path | None = None) -> None:
        self.style = _load("porter", _OURS / "porter.css")
        self.logo = _load("logo", _picture("web.logo", logo) or _OURS / "logo.svg")
        self.favicon = _load("favicon", _picture("web.favicon", favicon) or _OURS / "favicon.svg")
        self.human = _load("human", _OURS / "human.js")
        self.solver = _load("solver", _OURS / "solver.js")
        files = (self.style, self.logo, self.favicon, self.human, self.solver)
        hashed = {file.name: (file, FOREVER) for file in files}
        plain = {_plain(file.name): (file, BRIEFLY) for file in files}
        self._files = MappingProxyType(plain | hashed)

    def find(self, name: str) -> tuple[StaticFile, str] | None:
        """The file of that name, and how long it may be kept."""
        return self._files.get(name)

    @property
    def names(self) -> Mapping[str, str]:
        """What the templates call the files by."""
        return {
            "style": self.style.name,
            "logo": self.logo.name,
            "favicon": self.favicon.name,
            "favicon_kind": self.favicon.kind,
            "human": self.human.name,
            "solver": self.solver.name,
        }


def _plain(name: str) -> str:
    stem, _, rest = name.rpartition("-")
    return f"{stem}.{rest.rpartition('.')[2]}"


def _picture(key: str, file: Path | None) -> Path | None:
    """`file`, once it is sure that a browser can show it."""
    if file is None:
        return None
    suffix = file.suffix.lower()
    if suffix not in _PICTURES:
        known = ", ".join(_PICTURES)
        raise ValueError(f"{key}: {file} is no picture; its name should end in one of {known}")
    try:
        size = file.stat().st_size
        with file.open("rb") as opened:
            opened.read(1)
    except OSError as error:
        raise ValueError(f"{key}: {file} cannot be read ({error.strerror})") from None
    if size > _LARGEST:
        raise ValueError(f"{key}: {file} has more than {_LARGEST} bytes; please make it smaller")
    return file


def _load(stem: str, file: Path) -> StaticFile:
    content, suffix = file.read_bytes(), file.suffix.lower()
    digest = sha256(content).hexdigest()[:12]
    return StaticFile(f"{stem}-{digest}{suffix}", _KINDS[suffix], content)
