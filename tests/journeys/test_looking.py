"""What moderators see of requests, tokens and accounts, on a real homeserver."""

from collections.abc import Callable
from typing import Any

import aiohttp

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import OpenHouse, Post, moderated, text_of, token_of, until


async def test_a_moderator_follows_a_request_to_its_account(
    open_house: OpenHouse,
    synapse: Synapse,
    moderator: Member,
    post: Post,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    house = await moderated(open_house, synapse, moderator)
    porter = await house.serve("run")
    await porter.until_said("room_ready")
    name, stranger = someone(), someone()
    await house.ask(name, f"{name}@example.net")
    token = token_of(await post.mail_to(f"{name}@example.net"))

    await until(lambda: house.statuses(f"{name}@example.net") == ["mailed"])
    waiting = await moderator.ask("!porter unfulfilled")
    assert waiting.startswith("1 mailed and without an account:")
    assert name in waiting and f"{name}@example.net" not in waiting
    story = await moderator.ask("!porter registration 1")
    assert "the homeserver says that it opened no account yet" in story
    assert "1 issued: 0 opened an account, 1 may still open one." in await moderator.ask(
        "!porter token"
    )

    await synapse.register_user(stranger, "pass-word-1")
    applicant = Applicant(session, house.url, synapse.url, "203.0.113.1")
    status, opened = await applicant.open_account(name, token)
    assert status == 200
    unknown = await moderator.ask("!porter unknown accounts --since 1h")
    assert f"\n{stranger} · " in unknown
    assert f"\n{name} · " not in unknown
    await until(
        lambda: house.statuses(f"{name}@example.net") == ["registered"], 90
    )  # two rounds and more
    assert "has an account" in await moderator.ask("!porter unfulfilled")
    assert "1 issued: 1 opened an account" in await moderator.ask("!porter token")
    assert "1 request, 0 refused, 1 account opened." in await moderator.ask(
        "!porter stats --days 2"
    )

    async def refusal() -> Any:
        """What the homeserver tells the account's owner who asks for something."""
        headers = {"Authorization": f"Bearer {opened['access_token']}"}
        url = f"{synapse.url}/_matrix/client/v3/account/whoami"
        async with session.get(url, headers=headers) as response:
            return (await response.json()).get("errcode")

    told = await moderator.ask(f"!porter account @{name}:porter.localhost")
    assert "Registration 1: registered" in told
    assert f"{name}@example.net" not in told
    assert "it can do nothing until it is unlocked" in await moderator.ask(
        f"!porter account lock {name} --reason 'spam' --tell"
    )
    assert await refusal() is None
    assert f"@{name} is locked now" in await moderator.ask("!porter confirm 1")
    assert await refusal() == "M_USER_LOCKED"
    await until(lambda: len(post.to(f"{name}@example.net")) == 2)
    assert "have locked it" in text_of(await post.mail_to(f"{name}@example.net"))
    assert f"account {name} is free" in await moderator.ask("!porter undo")
    assert await refusal() is None
