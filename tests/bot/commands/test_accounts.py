"""Moderators see whose token waits for an account, and which accounts came past the desk."""

from datetime import timedelta

from gateway.homeserver.homeserver import Abilities, Account, HomeserverError
from gateway.store import registrations, tokens
from gateway.store.registrations import Status

DAY = timedelta(days=1)


async def test_who_was_mailed_and_has_no_account_is_listed(typed, desk, apply, clock):
    assert "has an account" in (await typed("unfulfilled")).plain()
    await apply()
    await apply("bob", "bob@other.example", "2001:db8::7")
    now = clock()

    def mail(connection):
        token = tokens.prepare_own(connection, 1, "abc", now, now + DAY)
        registrations.mailed(connection, 1, token.id, now)

    await desk.database.write(mail)
    clock.turn(timedelta(hours=3, minutes=4))
    assert (await typed("unfulfilled")).plain().splitlines() == [
        "1 mailed and without an account:",
        "No. · Name · Address · Mailed · Token",
        "1 · ann · a…@example.net · 3h ago · until 2026-11-25 12:00 UTC",
    ]
    assert "ann@example.net" in (await typed("unfulfilled --full")).plain()
    assert "has an account" in (await typed("unfulfilled --since 1h")).plain()
    clock.turn(DAY)
    assert "1d ago · ended" in (await typed("unfulfilled")).plain()
    await desk.database.write(lambda c: registrations.registered(c, 1, now))
    assert "has an account" in (await typed("unfulfilled")).plain()


async def test_a_kind_that_lists_no_accounts_says_so(typed):
    answer = await typed("unknown accounts")
    assert not answer.ok
    assert answer.plain() == (
        "The accounts could not be listed: a homeserver with a token file does not list its"
        " accounts."
    )
    assert "'names' is not" in (await typed("unknown names")).plain()


class Directory:
    abilities = Abilities("a homeserver", lists_accounts=True)

    def __init__(self, count, now):
        self.found = [Account(f"u{number}", now, number == 0) for number in range(count)]
        self.fault = None

    async def newest(self, since, most):
        if self.fault:
            raise HomeserverError(self.fault)
        return [each for each in self.found if since is None or each.created_at >= since][:most]

    async def account(self, name):
        return None


def listing(desk, directory):
    """The desk in front of a homeserver with this directory."""
    desk.unknown_accounts._directory = directory


async def test_accounts_without_a_request_are_listed(typed, desk, apply, clock):
    await apply("u1")
    await apply("u2", "b@x.example", "198.51.100.1")
    await desk.database.write(lambda c: registrations.become(c, 2, Status.REJECTED))
    directory = Directory(3, clock())
    listing(desk, directory)
    assert (await typed("unknown accounts")).plain().splitlines() == [
        "2 unknown, of 3 accounts:",
        "Name · Made (UTC) · Mark",
        "u0 · 2026-11-24 12:00 · admin",
        "u2 · 2026-11-24 12:00 · registration 2 is rejected",
    ]
    clock.turn(DAY)
    assert (await typed("unknown --since 1h")).plain() == "None of 0 accounts is unknown here."
    directory.fault = "it asks to slow down"
    answer = await typed("unknown accounts")
    assert not answer.ok
    assert answer.plain() == "The accounts could not be listed: it asks to slow down."


async def test_many_unknown_accounts_come_as_a_file_and_an_end_is_said(
    typed, desk, clock, monkeypatch
):
    monkeypatch.setattr("gateway.stories.accounts.unknown_accounts._MOST", 40)
    listing(desk, Directory(50, clock()))
    answer = await typed("unknown accounts")
    lines = answer.plain().splitlines()
    assert lines[:2] == [
        "40 unknown, of 40 accounts; the newest 20:",
        "Only the newest 40 accounts were looked at.",
    ]
    assert len(lines) == 23
    assert answer.attachments[0].data.count(b"\n") == 41
