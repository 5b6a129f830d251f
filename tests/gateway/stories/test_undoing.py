"""An undo that a crash interrupts is done once, and answered as done."""

import pytest

from gateway.rules.bans import Kind
from gateway.store import audit
from gateway.store.audit import Author
from gateway.stories.moderation import Moderation
from gateway.stories.muting import Muting
from gateway.stories.undoing import Undoing

MOD, UNDO = Author("@mod:example.org", "$ban"), Author("@mod:example.org", "$undo")


class Plug(BaseException):
    """Pulled: nothing after it happens."""


@pytest.mark.parametrize("number", [None, 1])
@pytest.mark.parametrize("after", [False, True])
async def test_an_undo_repeated_after_a_crash_is_done_once(open_house, monkeypatch, number, after):
    async def restart():
        house = await open_house()
        moderation = Moderation(house.database, house.bans, house.clock)
        undoing = Undoing(
            database=house.database,
            bans=house.bans,
            moderation=moderation,
            hours=house.hours,
            muting=Muting(house.database, house.clock),
            reviews=house.reviews,
            restricting=house.restricting,
            unwanted=house.unwanted,
            clock=house.clock,
        )
        return house, moderation, undoing

    house, moderation, undoing = await restart()
    await moderation.ban(MOD, moderation.draft(MOD, [(Kind.EMAIL, "@a.example")]))
    remove = house.bans.remove

    async def pulled(bans):
        if after:
            await remove(bans)
        raise Plug

    monkeypatch.setattr(house.bans, "remove", pulled)
    with pytest.raises(Plug):
        await undoing.undo(UNDO, number)
    house, moderation, undoing = await restart()
    (entry,) = (await undoing.undo(UNDO, number)).done
    assert (entry.action, entry.undoes) == ("undo", 1)
    assert await house.bans.search() == []
    assert len(await house.database.read(lambda c: audit.of_event(c, "$undo"))) == 1
