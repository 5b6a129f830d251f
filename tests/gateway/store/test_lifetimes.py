"""A clock that is set back prolongs no token beyond the time that it was given."""

from datetime import UTC, datetime, timedelta

from gateway.store import lifetimes, tokens

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY, WEEK, OVERLAP = timedelta(days=1), timedelta(days=7), timedelta(minutes=20)


async def shorten(database, now):
    return await database.write(lambda c: lifetimes.shorten(c, now, OVERLAP))


async def test_a_token_made_by_a_clock_that_was_ahead_lives_for_its_own_span(database):
    own = await database.write(lambda c: tokens.prepare_own(c, 17, "own", NOW + DAY, NOW + 8 * DAY))
    assert await shorten(database, NOW) == 1
    kept = await database.read(lambda c: tokens.get(c, own.id))
    assert (kept.withdraw_at, kept.expires_at) == (NOW + WEEK, NOW + WEEK)
    assert await shorten(database, NOW) == 0


async def test_tokens_in_the_present_keep_their_ends(database):
    own = await database.write(lambda c: tokens.prepare_own(c, 17, "own", NOW, NOW + WEEK))
    shared = await database.write(lambda c: tokens.prepare_shared(c, NOW, "shared", NOW + DAY))
    assert await shorten(database, NOW) == 0
    assert await shorten(database, NOW + 2 * DAY) == 0
    assert (await database.read(lambda c: tokens.get(c, own.id))).withdraw_at == NOW + WEEK
    assert (await database.read(lambda c: tokens.get(c, shared.id))).withdraw_at is None


async def test_a_shared_token_outlives_the_next_one_by_the_overlap_at_most(database):
    def prepare(connection):
        old = tokens.prepare_shared(connection, NOW - DAY, "old", NOW - DAY)
        tokens.supersede(connection, None, NOW + DAY + OVERLAP)
        return old

    old = await database.write(prepare)
    assert await shorten(database, NOW + DAY) == 0
    assert await shorten(database, NOW) == 1
    assert (await database.read(lambda c: tokens.get(c, old.id))).withdraw_at == NOW + OVERLAP
