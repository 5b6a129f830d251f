"""The bot's device is vouched for by its account, so that careful clients give it their keys."""

import json
from typing import Any

import vodozemac
from nio import Api

from bot.room.signing import sign_device


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
    assert not await sign_device(second._session)
    assert await own_keys(mod, bot) == before
    await mod.ask(room, "!porter status")
