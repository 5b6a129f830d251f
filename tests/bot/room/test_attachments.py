"""Files that go with an answer, as the moderator's client finds them."""

from typing import Any

import pytest
from nio.crypto.attachments import decrypt_attachment

from bot.answers import Answer, Attachment
from bot.room.session import Refused

PICTURE = Attachment("stats.png", "image/png", b"\x89PNG", "Requests: 3 on Monday.", (640, 480))
TABLE = Attachment("found.csv", "text/csv", b"id,name\r\n1,ann\r\n", "One registration.")


@pytest.mark.parametrize("encrypted", [False, True])
async def test_a_picture_stands_above_the_words_and_a_file_below(
    house: Any, book: Any, encrypted: bool
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=encrypted)

    async def act(command: Any) -> Answer:
        return Answer(("Here.",), attachments=(PICTURE, TABLE))

    book.act = act
    await house.start(house.room(bot, room, book))
    root = await mod.say(room, "Numbers?")
    relation = {"rel_type": "m.thread", "event_id": root}
    asked = await mod.say(room, "!porter stats", **{"m.relates_to": relation})
    found = await mod.until(lambda: len(all := mod.answers_to(asked)) == 3 and all)
    picture, text, table = found
    assert text["body"] == "Here."
    assert (picture["msgtype"], picture["body"]) == ("m.image", "Requests: 3 on Monday.")
    assert picture["info"] == {"mimetype": "image/png", "size": 4, "w": 640, "h": 480}
    assert (table["msgtype"], table["filename"]) == ("m.file", "found.csv")
    for content, attachment in ((picture, PICTURE), (table, TABLE)):
        assert content["m.mentions"] == {}
        assert content["m.relates_to"]["event_id"] == root
        assert ("url" in content) is not encrypted
        file = content["file"] if encrypted else content
        data = (await mod.client.download(file["url"])).body
        if encrypted:
            assert data != attachment.data
            keys = file["key"]["k"], file["hashes"]["sha256"], file["iv"]
            data = decrypt_attachment(data, *keys)
        assert data == attachment.data


async def test_a_file_that_the_homeserver_refuses_costs_no_words(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)

    async def refused(*given: Any) -> Any:
        raise Refused("M_TOO_LARGE", "too large")

    async def act(command: Any) -> Answer:
        return Answer(("Here.",), attachments=(PICTURE, TABLE))

    monkeypatch.setattr("bot.room.replies.upload", refused)
    book.act = act
    await house.start(house.room(bot, room, book))
    asked = await mod.say(room, "!porter stats")
    assert (await mod.answer_to(asked))["body"] == "Here."
    assert await mod.until(lambda: mod.reactions_to(asked)) == ["✅"]
