"""The whole desk on real servers: `porter demo` in a process of its own, as a newcomer runs it."""

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
LIMIT = 120.0  # seconds for one demo on a slow machine


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what a clone brings, so that two runs do not share `state/demo`."""
    shutil.copy(ROOT / "config.yaml", tmp_path)
    shutil.copytree(ROOT / "bans", tmp_path / "bans")
    return tmp_path


def start(project: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from bot.terminal import main; main()", "demo", *more],
        cwd=project,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        start_new_session=True,
    )


def left_behind(project: Path) -> list[str]:
    """The command lines of processes that still work in the project's folder."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if str(project) in str((folder / "cwd").readlink()):
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue  # it ended, or is not ours
    return found


def test_the_tour_ends_well_and_leaves_nothing_running(project: Path) -> None:
    demo = start(project, "--tour")
    said, _ = demo.communicate(timeout=LIMIT)
    assert demo.returncode == 0, said
    assert "The tour is over: 11 steps" in said
    for proof in (
        "as ann → 200: @ann:porter.localhost",
        "as ann-the-second → 401",
        "the same page, and no second mail",
        "dora@mail.spam.example → 403",
        "from 198.51.100.7 → 403",
        "as freebigmoney → 403",
        "as gina → 200: @gina:porter.localhost",
        "was approved by @moderator:porter.localhost",
        "Your own network: 127.0.0.0/24",
        "ip 192.0.2.0/24 is no longer banned",
        "as carol → 401: M_UNAUTHORIZED",
        "as carol → 200: @carol:porter.localhost",
    ):
        assert proof in said
    assert re.search(r"in the room: .*198\.51\.100\.0/24", said)
    assert left_behind(project) == []


def test_a_step_that_fails_is_named_and_the_status_is_1(project: Path) -> None:
    config = yaml.safe_load((project / "config.yaml").read_text())
    config["registration"]["limits"]["network"] = "1 per 1h"
    (project / "config.yaml").write_text(yaml.safe_dump(config))
    demo = start(project, "--tour")
    said, _ = demo.communicate(timeout=LIMIT)
    assert demo.returncode == 1, said
    assert "The tour failed at step 3" in said
    assert "429" in said
    assert left_behind(project) == []


async def test_it_stays_up_takes_commands_and_ends_with_ctrl_c(project: Path) -> None:
    config = yaml.safe_load((project / "config.yaml").read_text())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config["web"]["port"] = taken.getsockname()[1]
        (project / "config.yaml").write_text(yaml.safe_dump(config))
        demo = start(project)
        said = ""

        def until(pattern: str) -> re.Match[str]:
            nonlocal said
            while not (found := re.search(pattern, said)):
                line = demo.stdout.readline()
                assert line, f"the demo ended: {said}"
                said += line
            return found

        try:
            async with asyncio.timeout(LIMIT):
                await asyncio.to_thread(until, r"is taken: \d+ serves instead")
                page = (await asyncio.to_thread(until, r"The page +(\S+)"))[1]
                await asyncio.to_thread(until, "Ctrl-C ends")
                async with aiohttp.ClientSession() as session, session.get(page) as response:
                    assert response.status == 200
                    assert 'name="requested_username"' in await response.text()
                demo.stdin.write("ban @typed.example --reason 'from the terminal'\n")
                demo.stdin.flush()
                await asyncio.to_thread(until, "Banned email @typed.example")
                os.killpg(demo.pid, signal.SIGINT)
                await asyncio.to_thread(demo.wait)
        finally:
            if demo.poll() is None:
                os.killpg(demo.pid, signal.SIGKILL)
            demo.stdin.close()
            demo.stdout.close()
            demo.wait()
    assert demo.returncode == 0
    assert "Traceback" not in said
    assert left_behind(project) == []
