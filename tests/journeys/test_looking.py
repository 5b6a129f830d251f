"""What moderators see of requests, tokens and accounts, on a real homeserver."""

from collections.abc import Callable

import aiohttp

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import OpenHouse, Post, moderated, token_of, until


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
    status, _ = await applicant.open_account(name, token)
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
