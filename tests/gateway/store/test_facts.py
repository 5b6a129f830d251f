"""A fact is kept until it is replaced or dropped."""

from gateway.store import facts


async def test_a_fact_is_kept_replaced_and_dropped(database):
    assert await database.read(lambda c: facts.recall(c, "pause")) is None
    await database.write(lambda c: facts.note(c, "pause", "one"))
    await database.write(lambda c: facts.note(c, "pause", "two"))
    assert await database.read(lambda c: facts.recall(c, "pause")) == "two"
    assert await database.write(lambda c: facts.forget(c, "pause"))
    assert not await database.write(lambda c: facts.forget(c, "pause"))
    assert await database.read(lambda c: facts.recall(c, "pause")) is None
