"""What moderators do is written down and can be read."""


async def test_every_action_stands_in_the_log_with_its_author(typed):
    assert (await typed("log")).plain() == "Nothing was done yet."
    await typed("ban @a.example --reason 'one reason'")
    await typed("pause --message lunch")
    await typed("resume")
    await typed("unban @a.example")
    lines = (await typed("log")).plain().splitlines()
    assert lines[0] == "The last 4 actions, newest first (UTC)"
    assert [line.split(" ", 2)[2] for line in lines[1:]] == [
        "@mod:example.org unban email @a.example: one reason",
        "@mod:example.org resume desk",
        "@mod:example.org pause desk → until resumed: lunch",
        "@mod:example.org ban email @a.example: one reason",
    ]
    assert len((await typed("log lunch")).plain().splitlines()) == 2
    assert (await typed("log breakfast")).plain() == "No such action."
