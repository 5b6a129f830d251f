"""`forget` asks first, says what stays, and leaves rows behind that every command copes with."""

import pytest

from gateway.store import audit, registrations
from gateway.store.database import holds


async def test_it_says_what_it_will_do_and_asks(typed, apply):
    await apply()
    await apply("bob", "ANN@example.net", "198.51.100.1")
    await typed("ban ann@example.net")
    answer = await typed("forget Ann@Example.net")
    assert answer.asks
    assert answer.plain().splitlines()[:6] == [
        "This forgets A…@example.net:",
        "Addresses, IP addresses and networks of 2 requests: 2, 1. Names, accounts and times stay.",
        "Open, and ended by it: 1. Their tokens are withdrawn.",
        "What names it in the log, in notes, questions and alerts: 2 texts.",
        "Ban lines name it, and stay until you lift them: email ann@example.net",
        "What was said in this room stays in its history, your command too: redact it there. So do"
        " logs of the mail server, and backups.",
    ]
    answer = await typed(answer.offers[0][1])
    assert answer.ok
    assert answer.plain().startswith("Forgotten (entry 3): 2 requests, 3 mentions.")


async def test_not_even_the_question_keeps_the_address(desk, typed, apply):
    await apply()
    await typed("forget ann@example.net")
    assert (await typed("confirm 1")).ok
    for path in desk.settings.state.iterdir():
        assert path.is_dir() or not holds(path, b"ann@example.net"), path


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("forget nobody@example.net", "Nothing is held of this address."),
        ("forget nonsense", "'nonsense' is no e-mail address."),
    ],
)
async def test_what_there_is_nothing_of_is_said(typed, apply, line, sentence):
    await apply()
    assert sentence in (await typed(line)).plain()


READERS = (
    "registration 1",
    "registration 1 --full",
    "registrations",
    "registrations --full",
    "registrations ann@example.net",
    "registrations 203.0.113.7",
    "registrations 203.0.113.0/24 --full",
    "registrations @example.net",
    "registrations --csv --full",
    "registrations --csv",
    "unfulfilled --full",
    "review",
    "account show ann --full",
    "account show zoe",
    "test ip 203.0.113.7",
    "test email ann@example.net",
    "ban 203.0.113.0/24 --dry-run",
    "ban @example.net --dry-run",
    "ban 10.0.0.0/8 --dry-run",
    "status",
    "log --full",
    "alerts",
)


async def test_every_command_copes_with_what_is_forgotten(desk, typed, apply, directory):
    """Also with a row that a careless hand left open."""
    await apply()
    await apply("bob", "bob@example.net")
    directory.open("ann", "zoe")
    await typed("forget ann@example.net --yes")
    for status in ("registered", "rejected", "mailed", "failed", "review"):
        account = "'ann'" if status == "registered" else "NULL"
        sql = (
            f"UPDATE registrations SET status = '{status}', mailed_at = created_at,"
            f" account = {account} WHERE id = 1"
        )
        await desk.database.write(lambda c, sql=sql: c.exec_driver_sql(sql) and None)
        for line in READERS:
            answer = await typed(line)
            assert answer.ok, (line, answer.plain())
            assert "ann@example" not in answer.plain() or "test" in line
        assert "with forgotten, language en" in (await typed("registration 1")).plain()
        for found in ("ann", "ANN@example.net"):
            shown = (await typed(f"registrations {found}")).plain()
            assert "1 found:" in shown
            assert "· forgotten · forgotten" in shown
        answer = await typed("resend 1")
        wanted = "is kept no more" if status in ("mailed", "failed") else f"is {status}: only a"
        assert wanted in answer.plain()


async def test_a_decision_on_what_is_forgotten_is_not_taken_back(desk, typed, apply):
    await apply()
    await typed("forget ann@example.net --yes")
    (last, *_) = await desk.database.read(lambda c: audit.search(c, "reject"))
    answer = await typed(f"undo {last.id}")
    assert "The address of registration 1 is kept no more." in answer.plain()
    assert (await desk.database.read(lambda c: registrations.get(c, 1))).status == "rejected"
    answer = await typed("undo 2")
    assert "what is forgotten is gone" in answer.plain()


async def test_a_ban_on_what_is_forgotten_is_not_taken_back(typed):
    await typed("ban ann@example.net")
    await typed("forget ann@example.net --yes")
    assert "the address in it is forgotten" in (await typed("undo 1")).plain()
