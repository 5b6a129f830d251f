"""`porter check` names what keeps the bot from its room."""

from typing import Any

from bot.demo.ports import free_port
from bot.room.inspection import inspect
from bot.room.power import Rule
from bot.room.session import Session
from tests.stand_ins.admin_commands import AdminCommands
from tests.stand_ins.server_bot import ServerBot


async def test_a_bot_in_its_room_has_nothing_to_say(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, version="10")
    assert await inspect(house.session(bot), room, Rule(50)) == [
        f"bot.room: {bot} is invited to {room}, and joins when it starts."
    ]
    await house.start(house.room(bot, room, book))
    assert await inspect(house.session(bot), room, Rule(50)) == []  # beside the running bot
    await mod.ask(room, "!porter still there")
    assert book.texts == ["still there"]


async def test_every_obstacle_is_one_sentence(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(version="10")
    assert await inspect(house.session(bot), room, Rule(50)) == [
        f"bot.room: {bot} is not in {room}; invite it."
    ]
    await mod.client.room_invite(room, bot)
    running = await house.start(house.room(bot, room, book))
    await house.stop(running)
    found = await inspect(house.session(bot), room, Rule(101))
    assert len(found) == 1 and "nobody in the room has power 101" in found[0]
    (missing,) = await inspect(house.session(bot), "#nowhere:porter.localhost", Rule(50))
    assert missing.startswith("bot: M_NOT_FOUND")
    (wrong,) = await inspect(
        house.session(bot, password="wrong", folder=house.folder / "fresh"), room, Rule(50)
    )
    assert "refused the log-in" in wrong


async def test_an_alias_leads_to_the_room(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    alias = f"#{room[1:9].lower().replace('_', 'a')}:porter.localhost"
    await mod.client.room_put_alias(alias, room)
    await house.start(house.room(bot, alias, book))
    assert await inspect(house.session(bot), alias, Rule(50)) == []
    await mod.ask(room, "!porter by alias")
    assert book.texts == ["by alias"]


async def test_a_homeserver_that_is_away_is_said(house: Any, book: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(Session.ask, "__kwdefaults__", {"patience": 0.0})
    url = f"http://127.0.0.1:{free_port()}"
    (found,) = await inspect(house.session("@porter:x", homeserver_url=url), "!r", Rule(50))
    assert url in found and "cannot be reached" in found


async def test_the_admin_room_is_looked_at_too(house):
    bot = await house.bot_user()
    mod = await house.person("mod")
    room = await mod.open_room(bot)
    server = ServerBot(house.synapse, AdminCommands())
    await server.open()

    async def look() -> list[str]:
        found = await inspect(
            house.session(bot),
            room,
            Rule(50),
            admin_room=server.alias,
            server_name="porter.localhost",
        )
        return [each for each in found if each.startswith("homeserver.admin_room")]

    try:
        (missing,) = await look()
        assert missing.endswith(f"with `!admin users make-user-admin {bot}`.")
        await server.invite(bot)
        assert await look() == [
            f"homeserver.admin_room: {bot} is invited to {server.alias}, and joins when it starts."
        ]
    finally:
        await server.close()
