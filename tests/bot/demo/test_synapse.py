"""The demo's homeserver is a real one, says why it cannot start, and leaves no process behind."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse, SynapseError


def alive(pid: int) -> bool:
    """Whether a process runs; one that waits to be reaped does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_registers_users_once_and_logs_them_in_after(synapse: Synapse) -> None:
    first = await synapse.register_user("twice", "pass-word-1")
    second = await synapse.register_user("twice", "pass-word-1")
    assert first != second
    async with aiohttp.ClientSession(synapse.url) as session:
        for token in (first, second):
            headers = {"Authorization": f"Bearer {token}"}
            async with session.get("/_matrix/client/v3/account/whoami", headers=headers) as answer:
                assert (await answer.json())["user_id"] == "@twice:porter.localhost"
    with pytest.raises(SynapseError, match="did not register twice"):
        await synapse.register_user("twice", "another-password")


async def test_nobody_registers_without_a_token(synapse: Synapse) -> None:
    async with aiohttp.ClientSession(synapse.url) as session:
        wish = {"username": "intruder", "password": "pass-word-1"}
        async with session.post("/_matrix/client/v3/register", json=wish) as answer:
            assert answer.status == 401
            stages = {stage for flow in (await answer.json())["flows"] for stage in flow["stages"]}
        assert "m.login.registration_token" in stages
        async with session.get("/_matrix/federation/v1/version") as answer:
            assert answer.status == 404


async def test_a_start_that_fails_shows_the_end_of_the_log(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        server = Synapse(tmp_path, "porter.localhost", taken.getsockname()[1])
        with pytest.raises(SynapseError, match=r"(?s)Synapse ended at once.*Failed to listen"):
            await server.start()
    assert server.pid is None


async def test_it_restarts_on_its_folder_and_stops_for_good(tmp_path: Path) -> None:
    server = Synapse(tmp_path, "porter.localhost", free_port())
    await server.start()
    await server.register_user("keeper", "pass-word-1", admin=True)
    first = server.pid
    await server.stop()
    await server.stop()
    assert first is not None and not alive(first) and server.pid is None
    await server.start()
    try:
        with pytest.raises(SynapseError):  # the account is there, with another password
            await server.register_user("keeper", "pass-word-2")
    finally:
        await server.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="the tie between processes is Linux' own")
async def test_it_dies_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import asyncio, sys; from pathlib import Path; from bot.demo.synapse import Synapse\n"
        "async def main():\n"
        "    server = Synapse(Path(sys.argv[1]), 'porter.localhost', int(sys.argv[2]))\n"
        "    await server.start(); print(server.pid, flush=True); await asyncio.sleep(60)\n"
        "asyncio.run(main())"
    )
    parent = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", program, str(tmp_path), str(free_port())),
        stdout=asyncio.subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert alive(child)
    os.kill(parent.pid, signal.SIGKILL)
    await parent.wait()
    async with asyncio.timeout(5):
        while alive(child):
            await asyncio.sleep(0.05)
