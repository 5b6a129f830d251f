"""A homeserver that is commanded in its admin room: from the form to the account.

The moderators' room is encrypted, the admin room plain; one bot works in both.
"""

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
RESTLESS = "from gateway.stories import accounts; accounts.EVERY = 1.0\n"


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
    gateway = await house.serve("gateway", config={"alerts": {"down_after": "0s"}})
    email = f"{someone()}@example.net"
    assert (await house.ask(email.partition("@")[0], email)).status == 200
    await gateway.until_said("server_down")
    away = "the bot has never read the homeserver's admin room"
    assert away in await house.run("status")
    assert post.to(email) == [] and server.heard == []

    await house.start("bot")
    await post.mail_to(email)
    assert len(server.heard) == 1
    await moderator.notice(lambda words: away in words)
