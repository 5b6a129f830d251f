"""An address that is forgotten is gone from the file, and recognised all the same."""

import asyncio

import pytest

from gateway.rules.addresses import parse_address
from gateway.rules.mentions import FORGOTTEN
from gateway.store import accounts, alerts, audit, notes, outbox, questions, registrations, tokens
from gateway.store.audit import Author
from gateway.store.database import holds
from gateway.store.keyring import Keyring
from gateway.store.registrations import Status
from gateway.store.schema import unwanted
from gateway.stories.forgetting import Forgetting
from tests.gateway.stories.test_retention import keeper

MOD = Author("@mod:example.org", "$1")
ANN = parse_address("Ann.Smith+news@gmail.com")
TYPED = ("annsmith@gmail.com", "Ann.Smith@gmail.com", "a.n.n.smith+x@googlemail.com")


@pytest.fixture
def forgetting(house):
    keyring = Keyring(house.settings.state / "keys")
    return Forgetting(house.database, keyring, house.bans, house.clock)


def in_the_files(house, *values):
    path = house.database.path
    files = [each for each in path.parent.iterdir() if each.name.startswith(path.name)]
    assert len(files) > 1
    return [v for v in values for each in files if holds(each, v.encode())]


async def test_nothing_of_it_stands_in_the_file_any_more(house, forgetting):
    """Among many others, so that rows have moved within the file."""

    def become(connection, number):
        registrations.registered(connection, number, house.clock(), f"ann{number}")
        outbox.cancel(connection, number)
        accounts.seen(connection, f"ann{number}", house.clock(), ip="203.0.113.77")
        accounts.settle(connection, f"ann{number}", house.clock(), number)

    for number in range(120):
        await house.apply(f"bob{number}", f"bob{number}@example.net", f"198.51.{number}.7")
        if number % 50 == 5:
            typed, ip = TYPED[number // 50], f"203.0.113.{number}"
            await house.apply(f"ann{number}", typed, ip)
            last = (await house.rows())[-1].id
            await house.database.write(lambda c, last=last: become(c, last))
            house.clock.turn(days=2)
    await house.apply("third", "annsmith@gmail.com", "192.0.2.9")
    assert (await house.statuses())[-1] == "repeat"

    def write(connection):
        audit.note(connection, MOD, "ban", "email annsmith@gmail.com", house.clock(), reason="x")
        audit.note(connection, MOD, "note", "ip 192.0.2.1", house.clock(), after=f"see {TYPED[1]}")
        notes.add(connection, "ip 192.0.2.1", MOD.who, f"it is {TYPED[2]}", house.clock())
        questions.ask(connection, MOD, ("ban", TYPED[0]), house.clock())
        alerts.raise_alert(
            connection, f"hits email {TYPED[0]}", f"`{TYPED[1]}`", house.clock(), details=TYPED
        )

    await house.database.write(write)
    assert in_the_files(house, *TYPED)
    done = await forgetting.forget(MOD, ANN)
    assert done.is_scrubbed
    assert len(done.held.requests) == 4
    assert in_the_files(house, *TYPED) == []
    rows = [row for row in await house.rows() if row.name.startswith(("ann", "third"))]
    assert {(row.email, row.ip, row.network, row.is_forgotten) for row in rows} == {
        ("", "", "", True)
    }
    seen = await house.database.read(lambda c: accounts.get(c, f"ann{rows[0].id}"))
    assert (seen.ip, seen.network) == (None, None)
    (note,) = await house.database.read(lambda c: notes.about(c, "ip 192.0.2.1"))
    assert note.text == f"it is {FORGOTTEN}"
    assert all(row.email for row in await house.rows() if row.name.startswith("bob"))
    # Once more there is nothing to do.
    again = await forgetting.forget(MOD, ANN)
    assert again.held.mentions == ()


async def test_it_has_one_account_and_gets_no_mail_as_before(house, forgetting):
    await house.apply("ann", "annsmith@gmail.com")
    await house.database.write(lambda c: registrations.registered(c, 1, house.clock(), "ann"))
    await house.apply("eve", "eve@example.net", "198.51.100.1")
    keyring = Keyring(house.settings.state / "keys")

    def refuse(connection):
        entry = audit.note(connection, MOD, "unwanted", "desk", house.clock())
        pseudonym = keyring.pseudonyms("eve@example.net")[0]
        values = {"pseudonym": pseudonym, "at": house.clock(), "entry": entry}
        connection.execute(unwanted.insert().values(values))

    await house.database.write(refuse)
    await forgetting.forget(MOD, ANN)
    await forgetting.forget(MOD, parse_address("eve@example.net"))
    house.clock.turn(days=400)
    await house.apply("other", "Ann.Smith@gmail.com", "192.0.2.1")
    await house.apply("again", "eve@example.net", "192.0.2.2")
    assert (await house.statuses())[-2:] == ["repeat", "repeat"]


async def test_an_open_request_is_ended_first(open_house):
    house = await open_house(review={"after": "2 per 1d"})
    keyring = Keyring(house.settings.state / "keys")
    forgetting = Forgetting(house.database, keyring, house.bans, house.clock)
    for name in ("mailed", "owed", "waits"):
        await house.apply(name, f"{name}@example.net", f"198.51.{len(name)}.1")
        if name == "mailed":
            await house.deliver()
    assert await house.statuses() == ["mailed", "pending", "review"]
    assert "review 3" in await house.alerts()
    token = await house.database.read(lambda c: tokens.of(c, 1))
    for name in ("mailed", "owed", "waits"):
        held = await forgetting.look(parse_address(f"{name}@example.net"))
        assert [each.name for each in held.open] == [name]
        await forgetting.forget(MOD, parse_address(f"{name}@example.net"))
    assert await house.statuses() == [Status.REJECTED] * 3
    works = await house.database.read(lambda c: tokens.still_works(c, token.id, house.clock()))
    assert not works
    assert await house.owed() == 0
    assert (await house.alerts())["review 3"] == (1, "What this told of is forgotten")
    with pytest.raises(ValueError, match="kept no more"):
        await house.reviews.reopen(MOD, 3)


async def test_the_log_tells_who_forgot_without_the_address(house, forgetting):
    await house.apply("ann", "annsmith@gmail.com")
    done = await forgetting.forget(MOD, ANN)
    entry = await house.database.read(lambda c: audit.get(c, done.entry))
    (row,) = await house.rows()
    assert (entry.who, entry.action, entry.subject) == (
        *(MOD.who, "forget"),
        f"address {row.email_key}",
    )


async def test_ban_lines_stay_and_are_named(house, forgetting):
    await house.ban("email", "annsmith@gmail.com  # spam")
    await house.ban("ip", "192.0.2.1  # it was a.n.n.smith+x@googlemail.com")
    await house.apply("ann", "a.n.n.smith+x@googlemail.com")
    held = await forgetting.look(ANN)
    assert sorted(ban.value for ban in held.bans) == ["192.0.2.1", "annsmith@gmail.com"]
    await forgetting.forget(MOD, ANN)
    assert len(house.bans.book) == 2
    assert in_the_files(house, "annsmith") == []


async def test_one_who_asks_in_that_very_moment_is_forgotten_too(house, forgetting):
    await house.apply("ann", "annsmith@gmail.com")
    before = forgetting.look

    async def look(address):
        held = await before(address)
        house.clock.turn(days=30)
        await house.apply("late", "ann.smith@gmail.com", "192.0.2.3")
        return held

    forgetting.look = look
    await asyncio.gather(forgetting.forget(MOD, ANN))
    assert [row.email for row in await house.rows()] == ["", ""]


async def test_a_file_that_was_not_cleaned_is_cleaned_within_the_hour(
    house, forgetting, monkeypatch
):
    """Whether the plug was pulled in between, or somebody read an older state."""
    asked = []

    async def hindered(*values, anew=False):
        asked.append(values)
        return False

    await house.apply("ann", "annsmith@gmail.com")
    with monkeypatch.context() as patched:
        patched.setattr(house.database, "scrub", hindered)
        assert not (await forgetting.forget(MOD, ANN)).is_scrubbed
    assert in_the_files(house, "annsmith@gmail.com")
    await keeper(house).look()
    assert in_the_files(house, "annsmith@gmail.com") == []
    monkeypatch.setattr(house.database, "scrub", hindered)
    await keeper(house).look()
    assert len(asked) == 1
