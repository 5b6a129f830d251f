"""What moderators do is written down and can be read."""

from hypothesis import given
from hypothesis import strategies as st

from bot.commands.masks import masked


async def test_every_action_stands_in_the_log_with_its_author(typed):
    assert (await typed("log")).plain() == "Nothing was done yet."
    await typed("ban @a.example --reason 'one reason'")
    await typed("pause --message lunch")
    await typed("resume")
    await typed("unban @a.example")
    lines = (await typed("log")).plain().splitlines()
    assert lines == [
        "4 actions, newest first (number, UTC, who, what)",
        "4 · 2026-11-24 12:00 · @mod:example.org unban email @a.example: one reason",
        "3 · 2026-11-24 12:00 · @mod:example.org resume desk paused: lunch → open",
        "2 · 2026-11-24 12:00 · @mod:example.org pause desk open → paused: lunch",
        "1 · 2026-11-24 12:00 · @mod:example.org ban email @a.example: one reason",
    ]
    assert len((await typed("log lunch")).plain().splitlines()) == 3
    assert (await typed("log breakfast")).plain() == "No such action."


async def test_one_entry_is_shown_in_full(typed):
    await typed("ban ann@example.net --reason why")
    assert (await typed("log 1 --full")).plain().splitlines() == [
        "Entry 1, 2026-11-24 12:00 UTC",
        "Who: @mod:example.org",
        "What: ban email ann@example.net",
        "After: ann@example.net  # by @mod:example.org | 2026-11-24T12:00Z | why",
        "Reason: why",
        "From event: $event1",
    ]
    assert "ann@" not in (await typed("log #1")).plain()
    assert not (await typed("log 2")).ok


async def test_a_long_log_is_read_page_by_page(typed):
    for number in range(25):
        await typed(f"ban @a{number}.example")
    lines = (await typed("log ban")).plain().splitlines()
    assert lines[1].startswith("25 · ")
    assert lines[-1] == "Older ones: log ban --before 6"
    lines = (await typed("log ban --before 6")).plain().splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["5", "4", "3", "2", "1"]


async def test_addresses_in_the_log_are_masked_unless_asked_for_in_full(typed):
    await typed("ban ann@example.net 203.0.113.7 2001:db8::7 203.0.113.0/24 @a.example")
    masks = (await typed("log")).plain()
    for hidden in ("ann@", "203.0.113.7", "2001:db8::7"):
        assert hidden not in masks
    for shown in ("a…@example.net", "203.0.113.…", "2001:db8::…", "203.0.113.0/24", "@a.example"):
        assert shown in masks
    assert "ann@example.net" in (await typed("log --full")).plain()


def test_a_mask_hides_persons_alone() -> None:
    assert masked("ann@example.net, 203.0.113.77") == "a…@example.net, 203.0.113.…"
    assert masked("From 203.0.113.77.") == "From 203.0.113.…."
    kept = "203.0.113.0/24 2001:db8::/32 @spam.example @mod:example.org 2026-11-24T12:00:05Z"
    assert masked(kept) == kept
    assert masked("2001:db8:1:2:3:4:5:6") == "2001:db8:1:2::…"


@given(st.emails(), st.ip_addresses(), st.text(max_size=20))
def test_no_whole_address_of_a_person_passes(email, ip, around) -> None:
    shown = masked(f"{around} {email} {ip} {around}")
    assert ip.compressed not in shown.split() or ip.compressed in around
    local = email.rpartition("@")[0]
    assert len(local) == 1 or email not in shown or email in around
