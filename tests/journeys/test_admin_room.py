"""A homeserver that is commanded in its admin room: from the form to the account.

The moderators' room is encrypted, the admin room plain; one bot works in both.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Callable

import aiohttp
import pytest

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import House, OpenHouse, Post, moderated, text_of, until
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.server_bot import ServerBot

LINK = "https://porter.localhost/_continuwuity/account/register/?flow=trusted&token="
# Python that runs before a process of `porter`: it ends at once when it is about to note something.
KILLED = """
import os, signal
from bot.orders import DeskOrders
from bot.room.admin_inbox import Reply
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
"""
BEFORE_GIVEN_IS_NOTED = f"{KILLED}DeskOrders.given = die\n"
BEFORE_A_REPLY_IS_NOTED = f"""{KILLED}
heard = DeskOrders.heard
def hear(self, said, position):
    return die() if any(isinstance(each, Reply) for each in said) else heard(self, said, position)
DeskOrders.heard = hear
"""
IMPATIENT = """
from bot.room import admin_room
admin_room._QUIET, admin_room._SILENCE, admin_room._PATIENCE = 0.2, 0.1, 0.5
"""
RESTLESS = "from gateway.stories.accounts import watcher; watcher.EVERY = 1.0\n"


@pytest.fixture
async def server(synapse: Synapse) -> AsyncIterator[ServerBot]:
    server = ServerBot(synapse, AdminCommands("continuwuity", link=LINK))
    await server.open()
    yield server
    await server.close()


@pytest.fixture
async def house(
    open_house: OpenHouse, synapse: Synapse, moderator: Member, server: ServerBot
) -> House:
    """A desk of which the bot is an admin of its homeserver."""
    homeserver = {
        "kind": "continuwuity",
        "admin_token_file": None,
        "admin_room": server.alias,
        "timeout": "1s",
    }
    house = await moderated(open_house, synapse, moderator, homeserver=homeserver)
    await server.invite(house.config["bot"]["user"])
    return house


async def test_a_token_from_the_admin_room_opens_the_account_and_is_used_up(
    house: House,
    server: ServerBot,
    synapse: Synapse,
    moderator: Member,
    post: Post,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    porter = await house.serve("run", first=RESTLESS)
    await porter.until_said("room_ready")
    name = someone()
    email = f"{name}@example.net"
    assert (await house.ask(name, email)).status == 200
    words = text_of(await post.mail_to(email))
    (token,) = server.commands.tokens
    assert re.search(rf"^ {{4}}{token}\s*$", words, re.MULTILINE) and LINK + token in words
    assert server.heard == ["!admin token issue --once"]

    applicant = Applicant(session, house.url, synapse.url, "203.0.113.1")
    status, _ = await applicant.open_account(name, token)
    assert status == 200
    user = f"@{name}:{synapse.server_name}"
    await server.say(f'New user "{user}" registered on this server from IP 203.0.113.1')
    await until(lambda: house.statuses(email) == ["registered"], 60)
    ips = "SELECT ip FROM accounts WHERE name = ?"
    await until(lambda: house.rows(ips, name) == [("203.0.113.1",)])
    assert await server.alive() == set()
    status, _ = await applicant.open_account(someone(), token)
    assert status != 200
    assert "The desk is open" in await moderator.ask("!porter status")


@pytest.mark.parametrize("moment", [BEFORE_GIVEN_IS_NOTED, BEFORE_A_REPLY_IS_NOTED])
async def test_a_bot_that_is_killed_leaves_one_token_and_one_mail(
    moment: str, house: House, server: ServerBot, post: Post, someone: Callable[[], str]
) -> None:
    await house.serve("gateway")
    bot = await house.start("bot", first=moment)
    email = f"{someone()}@example.net"
    await house.ask(email.partition("@")[0], email)
    assert await bot.wait() == -9
    await house.start("bot")
    words = text_of(await post.mail_to(email))
    await until(lambda: house.statuses(email) == ["mailed"])
    (alive,) = await server.alive()
    assert f"    {alive}" in words
    assert server.heard == ["!admin token issue --once"]
    assert len(post.to(email)) == 1


async def test_mails_wait_for_a_bot_that_is_away_and_everybody_is_told(
    house: House, server: ServerBot, moderator: Member, post: Post, someone: Callable[[], str]
) -> None:
    server.commands, server.in_threads = AdminCommands("tuwunel"), True
    tuwunel = {"homeserver": {"kind": "tuwunel"}, "alerts": {"down_after": "0s"}}
    gateway = await house.serve("gateway", config=tuwunel)
    email = f"{someone()}@example.net"
    assert (await house.ask(email.partition("@")[0], email)).status == 200
    await gateway.until_said("server_down")
    away = "the bot has never read the homeserver's admin room"
    said = await house.run("status")
    assert away in said, said
    assert post.to(email) == [] and server.heard == []

    await house.start("bot", config=tuwunel)
    words = text_of(await post.mail_to(email))
    # The guard is there first, and in nobody's mail.
    assert server.heard == ["!admin token issue", "!admin token issue --once --max-age 604800s"]
    assert [token in words for token in server.commands.tokens] == [False, True]
    await moderator.notice(lambda words: away in words)


async def test_a_lost_reply_is_told_and_a_late_ones_token_is_taken_back(
    house: House, server: ServerBot, moderator: Member, post: Post, someone: Callable[[], str]
) -> None:
    server.is_mute = True
    porter = await house.serve("run", first=IMPATIENT)
    email = f"{someone()}@example.net"
    await house.ask(email.partition("@")[0], email)
    await moderator.notice(lambda words: "does not reply to @porter" in words)
    await porter.until_said("order_given_up")
    server.is_mute = False
    await house.until_nothing_is_owed()
    words = text_of(await post.mail_to(email))
    mailed = next(token for token in server.commands.tokens if token in words)
    lost = {*server.commands.tokens} - {mailed}
    assert lost

    commands = server.said_by(house.config["bot"]["user"])
    for command, token in zip(commands, list(server.commands.tokens), strict=False):
        if token in lost:
            relation = {"m.in_reply_to": {"event_id": command["event_id"]}}
            reply = f"New registration token issued: `{token}` . Expires after 1 uses."
            await server.say(reply, **{"m.relates_to": relation})
    async with asyncio.timeout(30):
        while await server.alive() != {mailed}:
            await asyncio.sleep(0.2)
