"""Moderators read one request's whole story, and send its mail again."""

from gateway.store import outbox


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
