"""The bot's device is vouched for by its account, so that careful clients give it their keys."""

import json
from typing import Any

import pytest
import vodozemac
from nio import Api

from bot.room.session import RoomError, Unanswered
from bot.room.signing import reset, sign_device


async def own_keys(person: Any, user: str) -> dict[str, Any]:
    headers = {"Authorization": f"Bearer {person.client.access_token}"}
    body = Api.to_json({"device_keys": {user: []}})
    answer = await person.client.send("POST", "/_matrix/client/v3/keys/query", body, headers)
    async with answer:
        return dict(await answer.json())


def verify(key: str, user: str, thing: dict[str, Any], name: str = "") -> None:
    signature = thing["signatures"][user][f"ed25519:{name or key}"]
    bare = {k: v for k, v in thing.items() if k not in ("signatures", "unsigned")}
    vodozemac.Ed25519PublicKey.from_base64(key).verify_signature(
        Api.to_canonical_json(bare).encode(), vodozemac.Ed25519Signature.from_base64(signature)
    )


async def test_the_chain_from_the_account_to_the_device_holds(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    running = await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter status")
    keys = await own_keys(mod, bot)
    (master,) = keys["master_keys"][bot]["keys"].values()
    (signer,) = keys["self_signing_keys"][bot]["keys"].values()
    ((device_id, device),) = keys["device_keys"][bot].items()
    verify(master, bot, keys["self_signing_keys"][bot])
    verify(signer, bot, device)
    verify(device["keys"][f"ed25519:{device_id}"], bot, device, device_id)
    await house.stop(running)
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter status")
    assert (await own_keys(mod, bot))["master_keys"][bot]["keys"] == keys["master_keys"][bot][
        "keys"
    ]


async def test_an_identity_of_another_client_is_left_alone(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    first = house.room(bot, room, book)
    await house.stop(await house.start(first))
    file = house.folder / "bot" / "cross-signing.json"
    assert file.stat().st_mode & 0o777 == 0o600
    seeds = json.loads(file.read_text())
    file.write_text(json.dumps(dict.fromkeys(seeds, "00" * 32)))
    second = house.room(bot, room, book)
    await house.start(second)
    before = await own_keys(mod, bot)
    assert "another client made" in str(await sign_device(second._session))
    assert "`porter reset-signing`" in book.warnings[0]
    assert await own_keys(mod, bot) == before
    await mod.ask(room, "!porter status")


async def trust_signed_devices_alone(person: Any, user: str) -> set[str]:
    """Verify the whole chain to each device of `user`, and refuse keys to all others."""
    keys = await own_keys(person, user)
    (master,) = keys["master_keys"][user]["keys"].values()
    (signer,) = keys["self_signing_keys"][user]["keys"].values()
    verify(master, user, keys["self_signing_keys"][user])
    signed = set()
    for device in person.client.device_store.active_user_devices(user):
        listed = keys["device_keys"][user][device.id]
        assert listed["keys"][f"ed25519:{device.id}"] == device.ed25519
        if f"ed25519:{signer}" in listed["signatures"][user]:
            verify(signer, user, listed)
            person.client.verify_device(device)
            signed.add(device.id)
        else:
            person.client.blacklist_device(device)
    return signed


async def ask_carefully(person: Any, room: str, body: str) -> dict[str, Any]:
    """Ask with a client that gives no key to a device that it did not verify."""
    content = {"msgtype": "m.text", "body": body}
    sent = await person.client.room_send(room, "m.room.message", content)
    return dict(await person.answer_to(sent.event_id))


async def test_a_client_that_trusts_signed_devices_alone_is_heard_and_answered(
    house: Any, book: Any
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    stray = await house.person_as(bot, "bot-pass-word")  # a device that nobody signed
    room = await mod.open_room(bot, encrypted=True)
    porter = house.room(bot, room, book)
    await house.start(porter)
    await mod.until(lambda: len([*mod.client.device_store.active_user_devices(bot)]) == 2)
    signed = await trust_signed_devices_alone(mod, bot)
    assert signed == {porter._session.client.device_id}
    answer = await ask_carefully(mod, room, "!porter status")
    assert answer["body"] == "Heard status"
    await stray.sync()
    commands = [e for e in stray.events.values() if e.sender == mod.user]
    assert not any(e.source["type"] == "m.room.message" for e in commands)


async def test_a_moderators_new_device_does_not_silence_the_bot(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    await house.start(house.room(bot, room, book))
    await mod.ask(room, "!porter before")
    phone = await house.person_as(mod.user, "pass-word-1")
    await mod.ask(room, "!porter after")
    answer = await phone.ask(room, "!porter by phone")
    assert answer["body"] == "Heard by phone"
    assert book.texts == ["before", "after", "by phone"]


async def test_fresh_keys_take_the_place_of_lost_ones(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot, encrypted=True)
    await house.stop(await house.start(house.room(bot, room, book)))
    (house.folder / "bot" / "cross-signing.json").unlink()
    await house.start(house.room(bot, room, book))
    assert any("are lost" in each for each in book.warnings)
    before = await own_keys(mod, bot)
    session = house.session(bot)
    await session.open(alone=False)  # beside the running bot
    try:
        assert await reset(session)
    finally:
        await session.close()
    assert (await own_keys(mod, bot))["master_keys"] != before["master_keys"]
    await mod.until(lambda: [*mod.client.device_store.active_user_devices(bot)])
    assert len(await trust_signed_devices_alone(mod, bot)) == 1
    assert (await ask_carefully(mod, room, "!porter status"))["body"] == "Heard status"


async def test_without_the_password_it_is_said_what_to_do(house: Any, book: Any) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    await house.stop(await house.start(house.room(bot, room, book)))
    before = await own_keys(mod, bot)
    seeds = (house.folder / "bot" / "cross-signing.json").read_text()
    for password, sentence in ((None, "_allow_cross_signing_replacement"), ("wrong", "refused")):
        session = house.session(bot, password=password)
        await session.open(alone=False)
        try:
            with pytest.raises(RoomError, match=sentence):
                await reset(session)
        finally:
            await session.close()
    assert await own_keys(mod, bot) == before
    assert (house.folder / "bot" / "cross-signing.json").read_text() == seeds


async def test_a_crash_while_keys_are_replaced_loses_neither(
    house: Any, book: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot, mod = await house.bot_user(), await house.person("mod")
    room = await mod.open_room(bot)
    await house.stop(await house.start(house.room(bot, room, book)))

    def crash(*_: Any) -> None:
        raise TimeoutError

    session = house.session(bot)
    await session.open(alone=False)
    with monkeypatch.context() as patch:
        patch.setattr("bot.room.signing._adopt", crash)
        with pytest.raises(Unanswered):
            await reset(session)
    assert await sign_device(session) is None
    await session.close()
