"""A moderator looks at what is banned, and asks what a value meets."""

from datetime import timedelta

from gateway.rules.bans import Kind


async def test_bans_are_listed_and_searched(typed):
    assert (await typed("bans")).plain() == "Nothing is banned."
    await typed("ban @a.example --reason first")
    await typed("ban 203.0.113.7 --reason second")
    assert "2 bans, newest first" in (await typed("bans")).plain()
    assert "203.0.113.7" not in (await typed("bans first")).plain()
    assert "@a.example" not in (await typed("bans ip")).plain()
    assert (await typed("bans name")).plain() == "No such ban."
    assert "'ipx' is no kind of ban" in (await typed("bans ipx second")).plain()


async def test_the_newest_ban_of_any_kind_stands_first(desk, typed, clock):
    desk.bans.folder.mkdir(exist_ok=True)
    desk.bans.path(Kind.NAME).write_text("".join(f"^spam{number}$\n" for number in range(60)))
    await desk.bans.refresh()
    await typed("ban ip 203.0.113.7")
    clock.turn(timedelta(minutes=1))
    await typed("ban @a.example")
    lines = (await typed("bans")).plain().splitlines()
    assert lines[0] == "62 bans, newest first"
    assert [line.split()[1] for line in lines[1:4]] == ["@a.example", "203.0.113.7", "^spam59$"]
    assert lines[-1] == "… 12 more: say what to look for."


async def test_bans_are_found_by_their_author_and_reason(typed):
    await typed("ban @a.example --reason 'open proxies'", "@ann:example.org")
    await typed("ban @b.example --review", "@bob:example.org")
    assert "@b.example" not in (await typed("bans ann:example")).plain()
    assert "@b.example" not in (await typed("bans email proxies")).plain()
    answer = (await typed("bans review")).plain()
    assert "email @b.example for review by @bob:example.org" in answer
    assert "@a.example" not in answer


async def test_a_ban_says_how_often_it_was_met(typed, apply, clock):
    await typed("ban 203.0.113.0/24")
    assert "met" not in (await typed("bans")).plain()
    await apply()
    assert "(met once at 2026-11-24 12:00 UTC)" in (await typed("bans")).plain()
    clock.turn(timedelta(hours=1))
    await apply()
    assert "(met 2 times, last at 2026-11-24 13:00 UTC)" in (await typed("bans")).plain()
    assert "(met 2 times" in (await typed("test 203.0.113.9")).plain()


async def test_an_address_is_tried_against_bans_and_the_limit(typed, apply, clock):
    await typed("ban 203.0.113.0/24 --for 1h --reason proxies")
    assert (await typed("test ip 203.0.113.9")).plain().splitlines() == [
        "203.0.113.9 meets 1 ban, so a request is refused:",
        "ip 203.0.113.0/24 until 2026-11-24 13:00 UTC by @mod:example.org"
        " at 2026-11-24 12:00 UTC: proxies",
        "Heard 0 from 203.0.113.0/24, the limit is 10 per 1h.",
    ]
    assert (await typed("test 203.0.114.9")).plain().startswith("No ban hits 203.0.114.9.")
    clock.turn(timedelta(hours=1))
    assert "No ban hits" in (await typed("test ip 203.0.113.9")).plain()
    assert not (await typed("test ip ann")).ok
    for number in range(10):
        await apply(f"ann{number}", f"ann{number}@example.net")
    last = (await typed("test 203.0.113.9")).plain().splitlines()[-1]
    assert last == (
        "Heard 10 from 203.0.113.0/24, the limit is 10 per 1h: another request is refused."
    )


async def test_an_email_address_is_tried(typed):
    await typed("ban @example.net --review --reason doubtful")
    answer = (await typed("test ann@mail.example.net")).plain()
    assert "meets 1 ban, so a request waits for a look:" in answer
    assert "for review by @mod:example.org at 2026-11-24 12:00 UTC: doubtful" in answer
    await typed("ban email ann@*")
    answer = (await typed("test email ann@example.net")).plain()
    assert "ann@example.net meets 2 bans, so a request is refused:" in answer
    assert (await typed("test bob@example.org")).plain() == "No ban hits bob@example.org."
    assert "is refused as malformed: " in (await typed("test email ann@")).plain()


async def test_a_name_is_tried(typed, apply):
    await typed("ban name ^ann")
    assert "meets 1 ban" in (await typed("test @ann:example.org")).plain()
    await typed("unban name ^ann")
    assert (await typed("test ann")).plain().splitlines() == [
        "No ban hits ann.",
        "The homeserver does not say whether the name is free.",
    ]
    await apply()
    held = "The name is held by registration 1 until 2026-12-01 12:00 UTC."
    assert held in (await typed("test name ANN")).plain()
    assert "_x is refused as malformed: A user name begins" in (await typed("test _x")).plain()


async def test_one_value_is_tried_at_a_time(typed):
    assert "One value at a time" in (await typed("test ann bob")).plain()
    assert "is a network: say one address" in (await typed("test 203.0.113.0/24")).plain()
    assert "such as a@spam.example" in (await typed("test @spam.example")).plain()
