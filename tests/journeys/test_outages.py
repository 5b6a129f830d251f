"""One part is down, the others work on, and what waited is done when it is back."""

import asyncio
import fcntl
import os
from collections.abc import Callable

import pytest

from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import (
    Cable,
    OpenHouse,
    Post,
    moderated,
    text_of,
    token_of,
    until,
)


async def test_the_homeserver_is_away(
    open_house: OpenHouse, synapse: Synapse, cable: Cable, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_house(homeserver={"url": cable.url})
    early, late, taken = someone(), someone(), someone()
    await synapse.register_user(taken, "pass-word-1")
    gateway = await house.serve()
    assert (await house.look("/readyz")).status == 200
    for name in (early, taken):
        assert (await house.ask(name, f"{name}@example.net")).status == 200
    await until(lambda: len(gateway.saw("mail_failed")) == 2)
    assert "does not say whether the name is free" in gateway.saw("mail_failed")[0]["reason"]
    assert post.mails == []

    await cable.mend()
    # For a moment after its silence the homeserver is not asked.
    await house.until_nothing_is_owed(pause=1.5)
    assert house.statuses(f"{early}@example.net") == ["mailed"]
    assert house.statuses(f"{taken}@example.net") == ["rejected"]

    await cable.cut()
    assert (await house.ask(late, f"{late}@example.net")).status == 200
    await until(lambda: len(gateway.saw("mail_failed")) > 2)
    assert house.statuses(f"{late}@example.net") == ["pending"]
    await cable.mend()
    await house.until_nothing_is_owed(pause=1.5)
    for name in (early, late):
        (mail,) = post.to(f"{name}@example.net")
        assert token_of(mail)
    # Who asked for the taken name is told so, and gets no token.
    (mail,) = post.to(f"{taken}@example.net")
    assert "taken" in text_of(mail)
    with pytest.raises(ValueError, match="no token"):
        token_of(mail)
    assert await gateway.stop() == 0
    assert "Traceback" not in gateway.said


async def test_the_mail_server_is_away(
    open_file_house: OpenHouse, post: Post, someone: Callable[[], str]
) -> None:
    house = await open_file_house()
    await post.stop()
    gateway = await house.serve()
    names = [someone() for _ in range(20)]
    replies = await asyncio.gather(*(house.ask(name, f"{name}@example.net") for name in names))
    assert {reply.status for reply in replies} == {200}
    for attempt in (1, 2, 3):
        await until(lambda attempts=attempt: len(gateway.saw("mail_failed")) == 20 * attempts)
        house.hurry()
    alerts = house.rows("SELECT text FROM alerts WHERE cause = 'mails failing'")
    assert len(alerts) == 1
    assert f"localhost:{post.port}" in alerts[0][0]
    # A restart forgets nothing.
    assert await gateway.stop() == 0
    gateway = await house.serve()
    await post.start()
    await house.until_nothing_is_owed()
    assert sorted(mail["To"] for mail in post.mails) == sorted(f"{n}@example.net" for n in names)

    # The server hangs up in the middle of a mail, and is back at once.
    post.pause = 60.0
    last = someone()
    assert (await house.ask(last, f"{last}@example.net")).status == 200
    await until(lambda: post.under_way)
    await post.stop()
    post.pause = 0.0
    await post.start()
    await gateway.until_said("mail_failed")
    await house.until_nothing_is_owed()
    assert len(post.to(f"{last}@example.net")) == 1
    assert await gateway.stop() == 0
    assert "Traceback" not in gateway.said


async def test_gateway_and_bot_need_not_each_other(
    open_house: OpenHouse,
    synapse: Synapse,
    moderator: Member,
    post: Post,
    someone: Callable[[], str],
) -> None:
    house = await moderated(open_house, synapse, moderator)
    gateway, bot = await house.serve(), await house.start("bot")
    await bot.until_said("room_ready")
    assert "The desk is open" in await moderator.ask("!porter status")

    await bot.kill()
    name = someone()
    assert (await house.ask(name, f"{name}@example.net")).status == 200
    await post.mail_to(f"{name}@example.net")
    with (house.folder / "bans" / "ips.txt").open("a") as file:
        file.write("not an address\n")
    await gateway.until_said("ban_line_unreadable")
    unheard = asyncio.create_task(moderator.ask("!porter ban name ^evil"))
    bot = await house.start("bot")
    # What was said and what happened meanwhile is not lost.
    assert "Banned name ^evil" in await unheard
    assert "line 1" in await moderator.notice(lambda text: "ips.txt" in text)

    await gateway.kill()
    assert "The desk is open" in await moderator.ask("!porter status")
    assert "Banned email" in await moderator.ask("!porter ban email @spam.example")
    gateway = await house.serve()
    assert (await house.ask(someone(), "a@spam.example")).status == 403
    assert (await house.ask("so-evil", "a@example.net")).status == 200
    assert (await house.ask("evil-one", "b@example.net")).status == 403
    for porter in (bot, gateway):
        assert await porter.stop() == 0
        assert "Traceback" not in porter.said


async def test_a_part_that_falls_is_started_again(
    open_house: OpenHouse,
    synapse: Synapse,
    moderator: Member,
    post: Post,
    someone: Callable[[], str],
) -> None:
    house = await moderated(open_house, synapse, moderator)
    folder = house.folder / "state" / "bot"
    folder.mkdir(parents=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        porter = await house.serve("run")
        fallen = await porter.until_said("part_fell")
        assert fallen[0]["part"] == "bot"
        assert "Another process uses" in fallen[0]["reason"]
        name = someone()
        assert (await house.ask(name, f"{name}@example.net")).status == 200
        await post.mail_to(f"{name}@example.net")
    finally:
        os.close(lock)
    await porter.until_said("room_ready")
    assert "The desk is open" in await moderator.ask("!porter status")
    assert {each["part"] for each in porter.saw("part_fell")} == {"bot"}
    assert await porter.stop() == 0
