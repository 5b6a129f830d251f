"""A desk with a moderator in an encrypted room, on a real Synapse of its own."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bot.demo.ports import free_port
from bot.demo.synapse import Synapse
from bot.room.member import Member

BOT = "@porter:porter.localhost"
CONFIG = """
server_name: porter.localhost
state: state
bans: bans
web: {{port: {web}}}
homeserver: {{kind: synapse, url: "{url}", admin_token: "{token}"}}
tokens: {{mode: per_applicant}}
addresses: {{mx: false}}
smtp: {{host: 127.0.0.1, port: 9, security: none, from: p@porter.localhost}}
bot: {{user: "@porter:porter.localhost", password: "{password}", room: "#desk:porter.localhost"}}
"""


@asynccontextmanager
async def moderated(folder: Path) -> AsyncIterator[tuple[Path, Member]]:
    """The desk's configuration file, and a moderator who invited the bot."""
    synapse = Synapse(folder / "synapse", "porter.localhost", free_port())
    await synapse.start()
    password = secrets.token_hex(16)
    member = Member(synapse.url, "@moderator:porter.localhost", password, folder / "member")
    try:
        token = await synapse.register_user("operator", password, admin=True)
        await synapse.register_user("moderator", password)
        await synapse.register_user("porter", password)
        await member.open("desk", invite=BOT)
        config = folder / "config.yaml"
        config.write_text(
            CONFIG.format(web=free_port(), url=synapse.url, token=token, password=password)
        )
        yield config, member
    finally:
        await member.close()
        await synapse.stop()
