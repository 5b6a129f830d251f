"""`porter run` at rest, in its room on a real Synapse."""

import asyncio
import secrets
import tempfile
from pathlib import Path

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.bench.servers import porter

REST = 20.0  # seconds after the bot has joined

CONFIG = """
server_name: porter.localhost
state: state
bans: bans
web: {{port: {web}}}
homeserver: {{kind: synapse, url: "{url}", admin_token: "{token}"}}
tokens: {{mode: per_applicant}}
smtp: {{host: 127.0.0.1, port: 9, security: none, from: p@porter.localhost}}
bot: {{user: "@porter:porter.localhost", password: "{password}", room: "#desk:porter.localhost"}}
"""


def measure() -> list[tuple[str, str]]:
    """The rows of the table."""
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(_measure(Path(folder)))


async def _measure(folder: Path) -> list[tuple[str, str]]:
    synapse = Synapse(folder / "synapse", "porter.localhost", free_port())
    await synapse.start()
    password = secrets.token_hex(16)
    member = Member(synapse.url, "@moderator:porter.localhost", password, folder / "member")
    try:
        token = await synapse.register_user("operator", password, admin=True)
        await synapse.register_user("moderator", password)
        await synapse.register_user("porter", password)
        await member.open("desk", invite="@porter:porter.localhost")
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(web=free_port(), url=synapse.url, token=token, password=password)
        )
        with porter(config, "run") as pid:
            await member.has_joined("@porter:porter.localhost")
            await member.ask("!porter status")
            before = _cpu_seconds(pid)
            await asyncio.sleep(REST)
            share = (_cpu_seconds(pid) - before) / REST
            return [
                ("resident memory (goal: under 120 MiB)", f"{_resident(pid):.0f} MiB"),
                ("processor time at rest", f"{share:.1%} of one core"),
            ]
    finally:
        await member.close()
        await synapse.stop()


def _resident(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("the process has no VmRSS")


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
