"""One part is down, the others work on, and what waited is done when it is back."""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable

import pytest

from bot.demo.synapse import Synapse
from bot.room.member import Member
from tests.journeys.conftest import (
    SMTP_PASSWORD,
    Cable,
    OpenHouse,
    Post,
    moderated,
    text_of,
    token_of,
    until,
)
from tests.stand_ins.hostile_post import Fault
from tests.torture.mail_outage import FAULTS, Load, copies, heal, hostile_house, sockets


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


async def test_a_mail_server_that_does_what_it_likes_is_suffered_in_turn(
    open_file_house: OpenHouse,
) -> None:
    """All at once what `make torture` does one by one."""
    async with hostile_house(open_file_house, len(FAULTS)) as (house, post):
        gateway = await house.serve()
        await until(lambda: post.connections)  # the vigil's, at the start
        at_rest = sockets(gateway)
        post.hangs_up = True
        post.faults.extend([None, *FAULTS.values()])
        load = Load(house, 200.0, Counter(), itertools.count())
        emails, _ = await load.go_on(len(FAULTS) / load.rate, "ann")
        while post.faults:
            house.hurry()
            await asyncio.sleep(0.1)
        await heal(house, post, emails)
        mails = copies(post, emails)
        assert max(mails) <= 2 and mails[2] <= sum(each.step == "dot" for each in FAULTS.values())
        assert post.passwords == [SMTP_PASSWORD] * len(post.passwords)

        post.usual = Fault("rcpt", "say", "550 5.1.1 no such mailbox")
        (email,), _ = await load.go_on(1 / load.rate, "bob")
        await until(lambda: house.statuses(email) == ["failed"])
        ((told,),) = house.rows("SELECT text FROM alerts WHERE cause LIKE 'mail %'")
        assert "no such mailbox" in told and post.to(email) == []
        await until(lambda: sockets(gateway) <= at_rest + len(FAULTS))
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


async def test_a_second_bot_on_the_same_folder_ends_with_a_sentence(
    open_house: OpenHouse, synapse: Synapse, moderator: Member
) -> None:
    house = await moderated(open_house, synapse, moderator)
    first = await house.start("bot")
    await first.until_said("room_ready")
    second = await house.start("bot")
    assert await second.wait() == 1
    assert "Another process uses" in second.said and "Traceback" not in second.said
    # One that is about to end is waited for.
    third = await house.start("bot")
    assert await first.stop() == 0
    await third.until_said("room_ready")
    assert "The desk is open" in await moderator.ask("!porter status")
    assert await third.stop() == 0


async def test_the_bot_comes_back_by_itself_when_the_homeserver_does(
    open_house: OpenHouse, synapse: Synapse, moderator: Member, cable: Cable
) -> None:
    house = await moderated(open_house, synapse, moderator)
    await cable.mend()
    bot = await house.start("bot", config={"homeserver": {"url": cable.url}})
    await bot.until_said("room_ready")
    for time in (1, 2):
        await cable.cut()
        await until(lambda time=time: len(bot.saw("room_unreachable")) == time)
        asked = await moderator.say(f"!porter pause --for {time}h")
        await cable.mend()
        assert "The desk is closed until" in (await moderator.answers_to(asked))[0]
    # One line for each change of state.
    await until(lambda: len(bot.saw("room_reachable")) == 2)
    assert len(bot.saw("room_unreachable")) == 2
    assert await bot.stop() == 0
    assert "Traceback" not in bot.said
