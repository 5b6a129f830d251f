"""What is kept too long goes, what somebody needs stays, and no number is ever given twice."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from gateway.store import alerts, audit, events, notes, offers, orders, questions, restrictions
from gateway.store import retention as store
from gateway.store import spent as checks
from gateway.store.audit import Author
from gateway.store.room_schema import alerts as alert_rows
from gateway.store.schema import audit as entries
from gateway.store.schema import spent, unwanted

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOD = Author("@mod:example.org", "$1")
ISSUED = "Token issued successfully: `abc`"


@pytest.fixture
def purge(database):
    """Let a day be what everything is kept for, and look after some days."""

    async def purge(days, **spans):
        spans = dict.fromkeys(("alerts", "audit", "talk", "replies"), DAY) | spans
        found = {}
        for kind in store.stale(spans, NOW + days * DAY):
            after = 0
            while after is not None:
                numbers, after = await database.read(
                    lambda c, kind=kind, after=after: store.look(c, kind, after)
                )
                done = await database.write(
                    lambda c, kind=kind, numbers=numbers: store.carry_out(c, kind, numbers, str)
                )
                found[kind.what] = found.get(kind.what, 0) + done
        return {what: number for what, number in found.items() if number}

    return purge


async def test_what_was_offered_goes_but_for_an_alert_that_lasts(database, purge):
    def fill(connection):
        number = alerts.raise_alert(connection, "review 1", "Review", NOW, quiet=None)
        alerts.posted(connection, number, "$review")
        for event_id in ("$review", "$answer"):
            offers.keep(connection, event_id, [("✅", "approve 1")], NOW)
        offers.keep(connection, "$new", [("✅", "approve 1")], NOW + 2 * DAY)

    await database.write(fill)
    await purge(2)
    said = [
        await database.read(lambda c, each=each: offers.command(c, each, "✅"))
        for each in ("$review", "$answer", "$new")
    ]
    assert said == ["approve 1", None, "approve 1"]


async def test_a_command_is_known_until_it_is_answered_and_old(database, purge):
    def fill(connection):
        for event_id in ("$answered", "$owed"):
            events.begin(connection, event_id, NOW)
        events.answered(connection, "$answered", NOW)

    await database.write(fill)
    assert await purge(1) == {}
    assert await purge(2) == {"events": 1}
    assert await database.write(lambda c: events.begin(c, "$answered", NOW)) == 1
    assert await database.write(lambda c: events.begin(c, "$owed", NOW)) == 2


async def test_an_order_goes_with_its_reply_once_nothing_comes_of_it(database, purge):
    def fill(connection):
        discarded, answered, _ = (
            orders.place(connection, key, "token issue", NOW).id for key in ("a", "b", "c")
        )
        for number in (discarded, answered):
            orders.given(connection, number, f"${number}", NOW)
        orders.discard(connection, discarded, NOW)
        orders.answered(connection, f"${answered}", ISSUED, NOW)
        return discarded, answered

    both = await database.write(fill)
    assert await purge(1) == {}
    assert await purge(2) == {"orders": 1, "replies": 1}
    assert [await database.read(lambda c, id=id: orders.get(c, id)) for id in both] == [None, None]
    assert await database.read(lambda c: orders.of(c, "c")) is not None


async def test_numbers_are_not_given_twice(database, purge):
    """A question of number 1, clicked after a month, must not be another one."""

    def ask(connection):
        return questions.ask(connection, MOD, ("ban", "@a.example"), NOW)

    first = await database.write(ask)
    assert await purge(2) == {"questions": 1}  # it is due, and stays until a newer one is there
    second = await database.write(
        lambda c: questions.ask(c, Author("@a:x", "$2"), ("pause",), NOW + 5 * DAY)
    )
    assert second == first + 1
    await purge(2)
    assert await database.read(lambda c: questions.get(c, first)) is None


async def test_the_log_keeps_what_something_else_stands_on(database, purge):
    def fill(connection):
        old, wish, no_mail, undone = (
            audit.note(connection, MOD, action, "account ann", NOW)
            for action in ("ban", "lock", "unwanted", "pause")
        )
        restrictions.wish(connection, "ann", "locked", wish, NOW, lifts=False)
        connection.execute(unwanted.insert().values(pseudonym="#1", at=NOW, entry=no_mail))
        audit.note(connection, MOD, "undo", "desk", NOW + 2 * DAY, undoes=undone)
        notes.add(connection, "registration 1", "@mod:example.org", "nice", NOW)
        notes.add(connection, "registration 2", "@mod:example.org", "new", NOW + 2 * DAY)
        return old, wish, no_mail, undone

    old, wish, no_mail, undone = await database.write(fill)
    assert await purge(2) == {"audit": 2, "notes": 1}
    left = await database.read(lambda c: {*c.execute(select(entries.c.id)).scalars()})
    assert {old, undone} & left == set()
    assert {wish, no_mail} <= left
    await database.write(lambda c: restrictions.done(c, 1, NOW))
    await database.write(
        lambda c: restrictions.wish(c, "ann", "locked", no_mail, NOW + 3 * DAY, lifts=True)
    )
    assert await purge(3) == {"restrictions": 1, "audit": 1}


async def test_an_alert_goes_when_it_is_over_for_long(database, purge):
    def fill(connection):
        for cause in ("burst a", "burst b", "burst c"):
            alerts.raise_alert(connection, cause, "Burst", NOW, quiet=None)
        alerts.end(connection, "burst a", NOW)
        connection.execute(spent.insert().values(id="used", until=NOW))

    await database.write(fill)
    assert await purge(2) == {"alerts": 1, "spent": 1}
    left = await database.read(lambda c: [*c.execute(select(alert_rows.c.cause)).scalars()])
    assert left == ["burst b", "burst c"]


async def test_null_keeps_it_for_ever(database, purge):
    await database.write(lambda c: [audit.note(c, MOD, "ban", "ip 1", NOW) for _ in "ab"] and None)
    assert await purge(99_999, audit=None) == {}


async def test_a_used_check_is_forgotten_a_day_after_it_is_worth_nothing(database, purge):
    """A clock that was set back by less than a day revives none."""
    for id, until in (("old", NOW - 1.1 * DAY), ("late", NOW - 0.9 * DAY), ("new", NOW + DAY)):
        await database.write(lambda c, i=id, u=until: checks.spend(c, i, u) and None)
    assert await purge(0) == {"spent": 1}
    for id, is_forgotten in (("old", True), ("late", False), ("new", False)):
        again = await database.write(lambda c, i=id: checks.spend(c, i, NOW))
        assert again is is_forgotten
