"""Moderators find requests, read their stories, and send mails again."""

from datetime import timedelta

from gateway.store import outbox


async def test_requests_are_found_masked_unless_asked_for_in_full(typed, apply):
    assert (await typed("registrations")).plain() == "No registration found."
    await apply()
    await apply("bob", "bob@other.example", "2001:db8::7")
    await apply("ann", "eve@example.net", "198.51.100.1")
    lines = (await typed("registrations")).plain().splitlines()
    assert lines[1:] == [
        "3 · 11-24 12:00 · refused (name held) · ann · e…@example.net · 198.51.100.0/24",
        "2 · 11-24 12:00 · pending · bob · b…@other.example · 2001:db8::/64",
        "1 · 11-24 12:00 · pending · ann · a…@example.net · 203.0.113.0/24",
    ]
    assert "bob@other.example · 2001:db8::7" in (await typed("registrations bob --full")).plain()
    assert "bob" not in (await typed("registrations --status refused")).plain()
    assert not (await typed("registrations --status lost")).ok


async def test_since_leaves_older_ones_out(typed, apply, clock):
    await apply()
    clock.turn(timedelta(hours=2))
    assert (await typed("registrations --since 1h")).plain() == "No registration found."
    assert "ann" in (await typed("registrations --since 3h")).plain()


async def test_one_registration_tells_its_story(typed, apply, desk, clock):
    await typed("ban email eve@example.net")
    await apply("eve", "eve@example.net")
    story = (await typed("registration 1")).plain()
    assert "Registration 1: refused, name eve" in story
    assert "Refused, email banned: eve@example.net" in story
    await apply()
    (mail,) = await desk.database.write(lambda c: outbox.claim(c, 1, clock()))
    await desk.database.write(lambda c: outbox.postponed(c, mail, "451 later", clock()))
    story = (await typed("registration 2")).plain()
    assert "Mail (token) queued, attempts: 1" in story
    assert "last error: 451 later" in story
    await apply("ann2", "ann@example.net")
    assert "nothing was mailed" in (await typed("registration 3")).plain()
    assert (await typed("registration 9")).plain().startswith("There is no registration 9.")
    assert not (await typed("registration ann")).ok
    assert (await typed("registration #1")).ok
    assert "no number of a registration" in (await typed(f"registration {'9' * 30}")).plain()


async def test_a_given_up_mail_is_sent_again_once(typed, apply, desk, clock):
    await apply()
    assert "is on its way" in (await typed("resend 1")).plain()
    (mail,) = await desk.database.write(lambda c: outbox.claim(c, 1, clock()))
    await desk.database.write(lambda c: outbox.failed(c, mail, "550 no"))
    answer = await typed("resend 1")
    assert answer.ok
    assert await desk.database.read(outbox.depth) == (1, clock())
    assert not (await typed("resend 1")).ok
    assert (await typed("resend 9")).plain() == "There is no registration 9."
