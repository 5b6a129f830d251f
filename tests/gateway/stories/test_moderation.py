"""A ban stands once in its file and once in the audit, wherever the plug was pulled."""

import asyncio
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
import pytest_asyncio

from gateway.rules.bans import Kind, format_line
from gateway.store import audit, intents
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.stories.moderation import Moderation
from tests.gateway.conftest import NOW

ROOT = Path(__file__).parents[3]
MOD = Author("@mod:example.org", "$event")
VALUES = [(Kind.IP, "203.0.113.0/24"), (Kind.EMAIL, "@spam.example"), (Kind.IP, "198.51.100.1")]


class Plug(BaseException):
    """Pulled: nothing after it happens."""


@pytest_asyncio.fixture
async def restart(open_house):
    """A process that begins anew on the same files."""

    async def begin():
        house = await open_house()
        return house, Moderation(house.database, house.bans, house.clock)

    return begin


def pull(monkeypatch, holder, name, after):
    """Pull the plug at the call of a method, before or after it has done its work."""
    real = getattr(holder, name)

    async def pulled(*args):
        if after:
            await real(*args)
        raise Plug

    monkeypatch.setattr(holder, name, pulled)


def nth(monkeypatch, holder, name, number, after):
    """The same at the call with this number."""
    real, calls = getattr(holder, name), 0

    async def pulled(*args):
        nonlocal calls
        calls += 1
        if calls == number:
            if after:
                await real(*args)
            raise Plug
        return await real(*args)

    monkeypatch.setattr(holder, name, pulled)


async def ban(moderation, until=None):
    return await moderation.ban(MOD, moderation.draft(MOD, VALUES, until=until, reason="proxies"))


async def in_files(house):
    return sorted(map(format_line, await house.bans.search()))


async def entries(house, action):
    found = await house.database.read(lambda c: audit.search(c, most=100))
    return sorted(each.after or each.before for each in found if each.action == action)


WRITES = [(number, after) for number in (1, 2) for after in (False, True)]


@pytest.mark.parametrize(
    ("part", "number", "after"),
    [("write", *each) for each in WRITES] + [("add", *each) for each in WRITES],
)
async def test_a_ban_repeated_after_a_crash_is_done_once(
    restart, monkeypatch, clock, part, number, after
):
    house, moderation = await restart()
    holder = house.database if part == "write" else house.bans
    with monkeypatch.context() as patch, pytest.raises(Plug):
        nth(patch, holder, part, number, after)
        await ban(moderation, clock() + timedelta(days=7))
    clock.turn(minutes=5)
    house, moderation = await restart()
    done = await ban(moderation, clock() + timedelta(days=7))
    assert len(done) == 3
    assert len(await in_files(house)) == 3
    assert await in_files(house) == await entries(house, "ban") == sorted(map(format_line, done))
    assert await house.database.read(lambda c: intents.left(c, NOW + timedelta(days=1))) == []


@pytest.mark.parametrize(
    ("part", "number", "after"),
    [("write", *each) for each in WRITES] + [("remove", *each) for each in WRITES],
)
async def test_a_lifted_ban_repeated_after_a_crash_is_lifted_once(
    restart, monkeypatch, part, number, after
):
    house, moderation = await restart()
    lines = sorted(map(format_line, await ban(moderation)))
    lift = Author("@mod:example.org", "$lift")
    holder = house.database if part == "write" else house.bans
    with monkeypatch.context() as patch, pytest.raises(Plug):
        nth(patch, holder, part, number, after)
        await moderation.unban(lift, VALUES)
    house, moderation = await restart()
    await moderation.unban(lift, VALUES)
    assert await in_files(house) == []
    assert await entries(house, "unban") == lines


async def test_what_nobody_repeats_is_finished_by_whoever_looks(restart, monkeypatch, clock):
    house, moderation = await restart()
    with monkeypatch.context() as patch, pytest.raises(Plug):
        pull(patch, house.bans, "add", after=True)
        await ban(moderation)
    house, moderation = await restart()
    await moderation.finish()
    assert await entries(house, "ban") == []  # it may be under way in another process
    clock.turn(minutes=2)
    await asyncio.gather(moderation.finish(), moderation.finish())
    assert await in_files(house) == await entries(house, "ban")
    assert len(await in_files(house)) == 3


async def test_a_file_that_cannot_be_written_is_not_tried_again_by_itself(restart, clock):
    house, moderation = await restart()
    house.bans.path(Kind.EMAIL).mkdir()
    with pytest.raises(OSError, match=r"emails\.txt"):
        await ban(moderation)
    house.bans.path(Kind.EMAIL).rmdir()
    clock.turn(minutes=2)
    await moderation.finish()
    assert len(await in_files(house)) == 2
    assert await in_files(house) == await entries(house, "ban")


_BAN = """
import asyncio, os, signal, sys
from pathlib import Path
from gateway.stories.moderation import Moderation
from gateway.rules.bans import Kind
from gateway.store.audit import Author
from gateway.store.ban_files import BanFiles
from gateway.store.database import Database

async def main(state, bans, action):
    database, files = Database(Path(state)), BanFiles(Path(bans))
    database.open()
    files.load()
    moderation, author = Moderation(database, files), Author("@mod:example.org", f"${action}")
    change = files.add if action == "ban" else files.remove

    async def die(lines):
        await change(lines)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(files, "add" if action == "ban" else "remove", die)
    values = [(Kind.EMAIL, "@spam.example")]
    if action == "ban":
        await moderation.ban(author, moderation.draft(author, values))
    else:
        await moderation.unban(author, values)

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_killed_process_leaves_nothing_half_done(restart):
    house, moderation = await restart()
    values = [(Kind.EMAIL, "@spam.example")]
    for action in ("ban", "unban"):
        command = [sys.executable, "-c", _BAN, house.database.path, house.bans.folder, action]
        killed = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, timeout=50)
        assert killed.returncode == -signal.SIGKILL
        assert await entries(house, action) == []
        author = Author("@mod:example.org", f"${action}")
        if action == "ban":
            await moderation.ban(author, moderation.draft(author, values))
            assert len(await in_files(house)) == 1
        else:
            await moderation.unban(author, values)
            assert await in_files(house) == []
        assert len(await entries(house, action)) == 1


async def test_a_ban_that_is_over_leaves_its_file_and_is_told_once(restart, open_house, clock):
    house, moderation = await restart()
    await ban(moderation, NOW + timedelta(hours=1))
    clock.turn(hours=2)
    others = [Moderation(house.database, BanFiles(house.bans.folder), clock) for _ in range(3)]
    for other in others:
        other._bans.load()
    gone = await asyncio.gather(*(each.expire() for each in (moderation, *others)))
    assert sum(map(len, gone)) == 3
    assert await in_files(house) == []
    found = await house.database.read(lambda c: audit.search(c, "expire"))
    assert [each.who for each in found] == ["porter"] * 3


async def test_of_two_processes_that_lift_one_ban_a_crash_makes_no_second(
    restart, monkeypatch, clock
):
    house, moderation = await restart()
    lines = sorted(map(format_line, await ban(moderation)))
    with monkeypatch.context() as patch, pytest.raises(Plug):
        pull(patch, house.bans, "remove", after=False)
        await moderation.unban(Author("@a:example.org", "$a"), VALUES)
    house, moderation = await restart()
    await moderation.unban(Author("@b:example.org", "$b"), VALUES)
    clock.turn(minutes=2)
    await moderation.finish()
    assert await entries(house, "unban") == lines


async def test_an_undo_lifts_its_own_line_and_no_other_on_the_same_value(restart, clock):
    house, moderation = await restart()
    short = await moderation.ban(
        MOD, moderation.draft(MOD, VALUES[:1], until=NOW + timedelta(hours=1))
    )
    other = Author("@other:example.org", "$other")
    await moderation.ban(other, moderation.draft(other, VALUES[:1]))
    await moderation.change(Author("@mod:example.org", "$undo"), "undo", [(short[0], None)], [1])
    (left,) = await house.bans.search()
    assert left.by == "@other:example.org"
    assert await house.database.read(lambda c: audit.undoing(c, 1)) is not None
