"""A moderator looks at what is banned, and asks what a value meets."""

from datetime import timedelta

from gateway.rules.bans import Kind


async def test_bans_are_listed_and_searched(typed):
    assert (await typed("bans")).plain() == "No ban."
    await typed("ban @a.example --reason first")
    await typed("ban 203.0.113.7 --reason second")
    assert "2 bans, newest first" in (await typed("bans")).plain()
    assert "203.0.113.7" not in (await typed("bans first")).plain()
    assert "@a.example" not in (await typed("bans ip")).plain()
    assert (await typed("bans name")).plain() == "No ban."
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


async def test_a_value_is_tried_against_the_bans(typed, clock):
    await typed("ban 203.0.113.0/24 --for 1h --reason proxies")
    assert "proxies" in (await typed("test ip 203.0.113.9")).plain()
    assert (await typed("test ip 203.0.114.9")).plain() == "No ban hits 203.0.114.9."
    assert (await typed("test email ann@example.net")).ok
    assert (await typed("test name ann")).ok
    clock.turn(timedelta(hours=1))
    assert (await typed("test ip 203.0.113.9")).plain() == "No ban hits 203.0.113.9."
    assert not (await typed("test ip ann")).ok
