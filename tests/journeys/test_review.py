"""A request that a moderator looks at: from the posted form over his reaction to the account."""

from collections.abc import Callable

import aiohttp

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import OpenHouse, Post, moderated, text_of, token_of, until


async def test_a_tick_in_the_room_makes_an_account_and_a_cross_none(
    open_house: OpenHouse,
    synapse: Synapse,
    moderator: Member,
    post: Post,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    review = {"new_networks": True, "rejection_mail": True}
    house = await moderated(open_house, synapse, moderator, review=review)
    await house.serve("run")
    good, bad = someone(), someone()
    home = {"X-Forwarded-For": "203.0.113.9"}
    page = await house.ask(good, f"{good}@example.net", html=True, **home)
    assert page.status == 200 and "A person will look at your request" in page.text
    answer = await house.ask(bad, f"{bad}@example.org", **home)
    assert answer.json()["status"] == "accepted" and "A person" in answer.json()["message"]
    # A known address sees the same, and nobody is bothered with it.
    again = await house.ask(someone(), f"{good}@example.net", html=True, **home)
    assert again.text == page.text

    waits = await post.mail_to(f"{good}@example.net")
    assert "A person will look at your request" in text_of(waits)
    asked = await moderator.notice(lambda words: good in words)
    assert asked.startswith("Request 1 waits for a decision") and "203.0.113.0/24" in asked
    assert f"{good}@example.net" not in asked and "@example.net" in asked
    await moderator.react(lambda words: good in words, "✅")
    await until(lambda: len(post.to(f"{good}@example.net")) == 2)
    token = token_of(post.to(f"{good}@example.net")[1])
    await moderator.notice(lambda words: good in words and f"approved by {moderator.user}" in words)

    await moderator.react(lambda words: bad in words, "❌")
    await moderator.notice(lambda words: bad in words and f"rejected by {moderator.user}" in words)
    await until(lambda: len(post.to(f"{bad}@example.org")) == 2)
    assert "did not grant it" in text_of(post.to(f"{bad}@example.org")[1])
    assert await moderator.ask("!porter review") == "No request waits for a decision."
    late = await moderator.ask("!porter approve 2")
    assert f"rejected already, by {moderator.user}" in late

    applicant = Applicant(session, house.url, synapse.url, "203.0.113.1")
    status, account = await applicant.open_account(good, token)
    assert (status, account["user_id"]) == (200, f"@{good}:porter.localhost")
    # Somebody came from there by now: the next one is served at once, when the watcher has seen it.
    await until(lambda: house.statuses(f"{good}@example.net") == ["registered", "repeat"], 60)
    neighbour = someone()
    page = await house.ask(neighbour, f"{neighbour}@example.net", html=True, **home)
    assert "Check your inbox" in page.text
