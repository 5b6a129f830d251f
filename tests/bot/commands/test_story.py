"""Moderators read one request's whole story, and send its mail again."""

from datetime import timedelta

from gateway.homeserver.homeserver import TokenState
from gateway.store import outbox, registrations, schema, tokens


async def test_one_registration_tells_its_story(typed, apply, desk, clock):
    await typed("ban email eve@example.net")
    await apply("eve", "eve@example.net")
    story = (await typed("registration 1")).plain()
    assert "Registration 1: refused, name eve" in story
    assert "Refused, email banned: e…@example.net" in story
    assert "eve@example.net" in (await typed("registration 1 --full")).plain()
    await apply()
    (mail,) = await desk.database.write(lambda c: outbox.claim(c, 1, clock()))
    await desk.database.write(
        lambda c: outbox.postponed(c, mail, "451 ann@example.net later", clock())
    )
    story = (await typed("registration 2")).plain()
    assert "Mail with the token: queued, tried once" in story
    assert "last error: 451 a…@example.net later" in story
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


async def test_a_story_tells_the_token_who_did_what_and_who_else_came(typed, apply, desk, clock):
    await apply()
    await apply("bob", "bob@example.net", "203.0.113.9")
    await apply("ann", "ann@example.net", "198.51.100.7")
    now = clock()

    def mail(connection):
        token = tokens.prepare_own(connection, 1, "abc", now, now + timedelta(days=1))
        tokens.issued(connection, token.id, token.value, None, now)
        registrations.mailed(connection, 1, token.id, now)
        outbox.cancel(connection, 1)

    await desk.database.write(mail)
    await typed("note 1 asked about ann@example.net")
    await typed("resend 1")
    story = (await typed("registration 1")).plain()
    assert "Token 1: in force, until 2026-11-25 12:00 UTC\n" in story
    assert "Resend at 2026-11-24 12:00 UTC by @mod:example.org" in story
    assert "asked about a…@example.net" in story
    assert "ann@example.net" not in story and "203.0.113.7" not in story
    assert (
        "Other requests with its address: 1 (1 refused); from its network: 1 (1 pending);"
        " from its domain: 2 (1 pending, 1 refused)"
    ) in story
    await typed("token revoke registration 1")
    story = (await typed("registration 1")).plain()
    assert "Token 1: ended at 2026-11-24 12:00 UTC" in story
    assert "Revoke at 2026-11-24 12:00 UTC by @mod:example.org" in story


async def test_a_story_says_whether_the_token_was_used(typed, apply, desk, clock, monkeypatch):
    async def state(value):
        return TokenState(1, True)

    await apply()
    now = clock()

    def mail(connection):
        token = tokens.prepare_own(connection, 1, "abc", now, now + timedelta(days=1))
        tokens.issued(connection, token.id, token.value, None, now)

    await desk.database.write(mail)
    monkeypatch.setattr(desk.rotation.given._source, "state", state)
    story = (await typed("registration 1")).plain()
    assert "the homeserver says that it opened an account" in story


async def test_an_applicant_of_the_shared_token_is_told_of_it(typed, apply, desk, clock):
    await desk.rotation.look()
    await apply()
    await desk.database.write(lambda c: registrations.mailed(c, 1, 1, clock()))
    assert "Shared token 1: in force" in (await typed("registration 1")).plain()


async def test_a_story_tells_what_spoke_for_a_person(typed, apply, desk):
    await apply()
    assert "Human check" not in (await typed("registration 1")).plain()
    await desk.database.write(
        lambda c: c.execute(schema.registrations.update().values(proof="form"))
    )
    story = (await typed("registration 1")).plain()
    assert "Human check: the form alone, without a script" in story
