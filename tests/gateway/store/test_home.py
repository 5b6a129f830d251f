"""Another homeserver is noticed, and what was known of the one before is forgotten."""

from datetime import timedelta

from gateway.store import facts, home
from tests.gateway.conftest import NOW

LATER = NOW + timedelta(days=1)


async def test_another_homeserver_is_noticed_once(database):
    def move(c):
        assert home.is_new(c, "synapse at one")
        home.arrive(c, "synapse at one", NOW)
        assert home.since(c) is None
        facts.note(c, home.ACCOUNTS_READ, "mark")
        home.arrive(c, "synapse at one", LATER)
        assert (home.since(c), facts.recall(c, home.ACCOUNTS_READ)) == (None, "mark")
        home.arrive(c, "tuwunel at two", LATER)
        return home.since(c), facts.recall(c, home.ACCOUNTS_READ)

    assert await database.write(move) == (LATER, None)
