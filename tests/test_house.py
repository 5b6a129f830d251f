"""The house keeps its directions: who may import whom, and where each library lives."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted([*(ROOT / "bot").rglob("*.py"), *(ROOT / "gateway").rglob("*.py")])
PURE = {
    "croniter",
    "disposable_email_domains",
    "email_validator",
    "re2",
}  # libraries without an edge to the world

# Where a library may be imported; a prefix of the module's path.
HOMES = {
    "nio": ("bot/room/",),
    "aiohttp.web": ("gateway/web/", "bot/demo/mail_catcher.py"),
    "sqlite3": ("gateway/store/",),
    "alembic": ("gateway/store/",),
    "aiosmtplib": ("gateway/mail/",),
    "aiosmtpd": ("bot/demo/",),
    "click": ("bot/",),
    "croniter": ("gateway/rules/", "gateway/settings/values.py"),
    "disposable_email_domains": ("gateway/rules/throwaway.py",),
    "dns": ("gateway/mail/exchangers.py",),
    "re2": ("gateway/rules/",),
    "matplotlib": ("bot/chart.py",),
    "altcha": ("gateway/stories/human/challenge.py", "bot/demo/applicant.py"),
    "jinja2": ("gateway/mail/", "gateway/web/"),
}
# The floors, lowest first: a module imports from its own floor and from lower ones.
FLOORS = (
    ("gateway/rules/", "gateway/words.py", "gateway/clock.py", "gateway/folder.py"),
    (
        "gateway/store/",
        "gateway/homeserver/",
        "gateway/mail/",
        "gateway/settings/",
    ),
    (
        "gateway/stories/",
        "gateway/edges.py",
        "gateway/supervision.py",
        "gateway/log.py",
    ),
    ("gateway/web/",),
    ("gateway/desk.py", "gateway/app.py"),
    ("bot/",),
)


def imports(source: Path) -> Iterator[str]:
    """Everything that a module imports, `from a import b` as `a.b`."""
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{source}: imports go by full name"
            yield from (f"{node.module}.{name.name}" for name in node.names)


def place(source: Path) -> str:
    return source.relative_to(ROOT).as_posix()


def floor(path: str) -> int:
    (found,) = [n for n, homes in enumerate(FLOORS) if path.startswith(homes)]
    return found


def is_within(name: str, library: str) -> bool:
    return name == library or name.startswith(f"{library}.")


@pytest.mark.parametrize("source", SOURCES, ids=place)
def test_a_module_imports_only_from_its_own_floor_and_below(source: Path) -> None:
    path = place(source)
    if path == "gateway/__init__.py":
        return
    for name in imports(source):
        if name.split(".")[0] not in ("bot", "gateway"):
            continue
        target = name.replace(".", "/")
        candidates = [target + ".py", target + "/", target.rpartition("/")[0] + ".py", target]
        files = [each for each in candidates if (ROOT / each.rstrip("/")).exists()]
        below = files[0] if files else target.rpartition("/")[0] + "/"
        if below in ("gateway/", "bot/"):
            continue
        assert floor(below) <= floor(path), f"{path} imports {name}, which lives above it"


@pytest.mark.parametrize("source", SOURCES, ids=place)
def test_a_library_stays_in_its_home(source: Path) -> None:
    path = place(source)
    for name in imports(source):
        for library, homes in HOMES.items():
            if is_within(name, library):
                assert path.startswith(homes), f"{path} imports {name}"


@pytest.mark.parametrize(
    "source", [each for each in SOURCES if place(each).startswith("gateway/rules/")], ids=place
)
def test_rules_touch_nothing(source: Path) -> None:
    edges = {"asyncio", "os", "pathlib", "shutil", "subprocess", "threading", "time"}
    for name in imports(source):
        library = name.split(".")[0]
        assert library not in edges, f"{place(source)} imports {name}"
    assert "datetime.now" not in source.read_text(), "rules are told the time"


def test_sql_is_written_in_the_store_alone() -> None:
    words = {"select", "insert", "update", "delete", "create_engine", "text", "func"}
    for source in SOURCES:
        path = place(source)
        if path.startswith("gateway/store/"):
            continue
        for name in imports(source):
            if name.startswith("sqlalchemy."):
                assert name.rpartition(".")[2] not in words, f"{path} imports {name}"


def test_a_file_is_small_enough_to_read() -> None:
    long = {place(each): n for each in SOURCES if (n := len(each.read_text().splitlines())) > 300}
    assert not long
