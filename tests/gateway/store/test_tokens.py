"""One live token for an applicant, one shared token for a slot, and none outlives its end."""

from datetime import UTC, datetime, timedelta

from gateway.store import tokens

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


async def own(database, value, now=NOW):
    return await database.write(lambda c: tokens.prepare_own(c, 17, value, now, now + WEEK))


async def test_an_applicant_keeps_his_token_while_it_lives(database):
    first = await own(database, "first")
    assert (await own(database, "second", NOW + WEEK / 2)).value == "first"
    assert (await own(database, "second", NOW + WEEK)).value == "second"
    assert first.issued_at is None


async def test_a_withdrawn_token_is_followed_by_a_fresh_one(database):
    first = await own(database, "first")
    await database.write(lambda c: tokens.withdraw(c, first.id, NOW))
    assert not await database.read(lambda c: tokens.still_works(c, first.id, NOW))
    assert (await own(database, "second")).value == "second"
    assert [t.value for t in await database.read(lambda c: tokens.due(c, NOW))] == ["first"]
    await database.write(lambda c: tokens.withdrawn(c, first.id, NOW))
    assert await database.read(lambda c: tokens.due(c, NOW)) == []


async def test_a_later_withdrawal_never_prolongs_a_token(database):
    first = await own(database, "first")
    await database.write(lambda c: tokens.withdraw(c, first.id, NOW))
    await database.write(lambda c: tokens.withdraw(c, first.id, NOW + WEEK))
    assert not await database.read(lambda c: tokens.still_works(c, first.id, NOW))


async def test_a_slot_has_one_shared_token_and_an_unissued_one_is_not_current(database):
    def prepare(value):
        return lambda c: tokens.prepare_shared(c, NOW, value, NOW)

    first = await database.write(prepare("first"))
    assert (await database.write(prepare("second"))).id == first.id
    assert await database.read(tokens.current_shared) is None
    await database.write(lambda c: tokens.issued(c, first.id, first.value, None, NOW))
    current = await database.read(tokens.current_shared)
    assert current is not None
    assert (current.value, current.slot, current.issued_at) == ("first", NOW, NOW)


async def test_outstanding_are_own_tokens_that_still_open_an_account(database):
    later = NOW + timedelta(days=1)

    def fill(connection):
        kept = tokens.prepare_own(connection, 1, "kept", NOW, later)
        ended = tokens.prepare_own(connection, 2, "ended", NOW, later)
        tokens.withdraw(connection, ended.id, NOW)
        tokens.prepare_shared(connection, NOW, "shared", NOW)
        return kept

    kept = await database.write(fill)
    assert await database.read(lambda c: tokens.outstanding(c, NOW)) == [kept]
    assert await database.read(lambda c: tokens.outstanding(c, later)) == []
    assert (await database.read(lambda c: tokens.of(c, 2))).value == "ended"
