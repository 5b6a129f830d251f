"""An account is recorded once, whoever tells of it, and settled once."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from gateway.store import accounts, registrations
from tests.gateway.conftest import NOW

LATER = NOW + timedelta(minutes=1)


async def test_an_account_is_recorded_once_and_a_later_word_adds_to_it(database):
    def tell(c):
        accounts.seen(c, "ann", NOW)
        accounts.seen(c, "ann", LATER, created_at=NOW, ip="203.0.113.7")
        accounts.seen(c, "ann", LATER, created_at=LATER, ip="198.51.100.1")
        return accounts.newest(c, None, 10)

    (ann,) = await database.write(tell)
    assert (ann.seen_at, ann.created_at, ann.ip) == (NOW, NOW, "203.0.113.7")
    assert ann.settled_at is None


async def test_an_account_is_settled_once(database):
    def settle(c):
        accounts.seen(c, "ann", NOW)
        accounts.seen(c, "bob", LATER)
        first = accounts.settle(c, "ann", NOW)
        accounts.seen(c, "ann", LATER)
        return first, accounts.settle(c, "ann", LATER), accounts.to_settle(c, 10)

    first, again, left = await database.write(settle)
    assert (first, again) == (True, False)
    assert [each.name for each in left] == ["bob"]


@pytest.mark.parametrize(
    ("question", "index"),
    [
        (lambda c: accounts.to_settle(c, 10), "accounts_to_settle"),
        (lambda c: registrations.awaiting_account(c, NOW, 10), "registrations_by_mail"),
    ],
)
async def test_what_each_look_asks_for_is_found_by_an_index(database, question, index):
    asked = []

    def note(connection, cursor, statement, parameters, context, many):
        asked.append((statement, parameters))

    event.listen(database._engine, "before_cursor_execute", note)
    assert await database.read(question) == []
    statement, parameters = asked[-1]

    def plan(c):
        found = c.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        return " ".join(str(row[-1]) for row in found)

    assert f"USING INDEX {index}" in await database.read(plan)
