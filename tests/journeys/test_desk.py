"""One desk on real servers, from the posted form to the account, and its files meanwhile."""

import asyncio
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import parsedate_to_datetime

import aiohttp

from bot.demo.applicant import Applicant
from bot.demo.synapse import Synapse
from tests.journeys.conftest import LIMIT, House, OpenHouse, Post, text_of, token_of, until


async def test_requests_become_accounts(
    house: House,
    post: Post,
    synapse: Synapse,
    session: aiohttp.ClientSession,
    someone: Callable[[], str],
) -> None:
    gateway = await house.serve()
    by_page, by_script = someone(), someone()
    page = await house.ask(by_page, f"{by_page}@example.net", html=True)
    assert page.status == 200
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "inbox" in page.text
    answer = await house.ask(by_script, f"{by_script}@example.net")
    assert (answer.status, answer.json()["status"]) == (200, "accepted")

    for name in (by_page, by_script):
        email = f"{name}@example.net"
        mail = await post.mail_to(email)
        check_form(mail)
        token = token_of(mail)
        for kind in ("plain", "html"):
            assert token in text_of(mail, kind)
            assert name in text_of(mail, kind)
        await until(lambda email=email: house.statuses(email) == ["mailed"])
        applicant = Applicant(session, house.url, synapse.url, "203.0.113.1")
        status, account = await applicant.open_account(name, token)
        assert (status, account["user_id"]) == (200, f"@{name}:porter.localhost")
        status, _ = await applicant.open_account(f"{name}-2", token)
        assert status == 401
    assert len({mail["Message-ID"] for mail in post.mails}) == 2
    assert set(post.senders) == {"desk@porter.localhost"}

    # The watcher looks when a desk opens, and each half minute after that.
    assert await gateway.stop() == 0
    await house.serve()
    for name in (by_page, by_script):
        email = f"{name}@example.net"
        await until(lambda email=email: house.statuses(email) == ["registered"])
    # Known by now, and the page does not tell.
    again = await house.ask(someone(), email)
    assert (again.status, again.text) == (200, answer.text)
    assert house.statuses(email) == ["registered", "repeat"]
    assert len(post.mails) == 2


def check_form(mail: EmailMessage) -> None:
    """What every mail has, whoever it is for."""
    assert mail["From"] == "The desk <desk@porter.localhost>"
    assert mail["Subject"] == "Your registration token for porter.localhost"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@porter.localhost>")
    assert abs(datetime.now(UTC) - parsedate_to_datetime(mail["Date"])) < timedelta(minutes=1)
    assert mail.get_content_type() == "multipart/alternative"


async def test_fifty_posts_at_once_are_one_mail(
    house: House, post: Post, someone: Callable[[], str]
) -> None:
    await house.serve()
    name, address = someone(), f"{someone()}@example.net"
    names = [f"{someone()}-{number}" for number in range(50)]
    replies = await asyncio.gather(
        *(house.ask(each, address) for each in names),
        *(house.ask(name, f"{each}@example.org") for each in names),
    )
    # On a busy machine some are asked to come again: nothing of theirs was heard.
    one_address = [each for each in replies[:50] if each.status != 503]
    one_name = [each for each in replies[50:] if each.status != 503]
    assert {(each.status, each.text) for each in one_address} == {(200, one_address[0].text)}
    assert sorted(each.status for each in one_name) == [200] + [409] * (len(one_name) - 1)
    assert {code for each in one_name if each.status == 409 for code in each.codes} == {"name_held"}
    assert len(house.rows("SELECT 1 FROM mails")) == 2
    await house.until_nothing_is_owed()
    assert len(post.to(address)) == 1
    assert len(post.mails) == 2
    assert sorted(house.statuses(address)) == ["mailed"] + ["repeat"] * (len(one_address) - 1)


async def test_bans_are_in_force_at_once(open_house: OpenHouse, someone: Callable[[], str]) -> None:
    # Without a homeserver: it would take its time over each name, and the bans do not need it.
    house = await open_house(homeserver={"url": "http://127.0.0.1:9"})
    bans = house.folder / "bans"
    bans.mkdir()
    (bans / "emails.txt").write_text("# ours\n\nold@ban.example\n")
    gateway = await house.serve()
    assert (await house.ask(someone(), "old@ban.example")).status == 403

    async def until_banned(email: str) -> float:
        began = time.monotonic()
        async with asyncio.timeout(LIMIT):
            while (await house.ask(someone(), email)).status != 403:
                await asyncio.sleep(0.02)
        return time.monotonic() - began

    by_hand = []
    for number in range(3):
        with (bans / "emails.txt").open("a") as file:
            file.write(f"@hand-{number}.example  # by hand\n")
        by_hand.append(await until_banned(f"{someone()}@mail.hand-{number}.example"))
    # The middle one: a machine with other work to do may be late once.
    assert statistics.median(by_hand) < 1.0, by_hand

    await house.run("ban", "email", "@typed.example", "--for", "7d")
    assert await until_banned(f"{someone()}@typed.example") < 1.5

    with (bans / "ips.txt").open("a") as file:
        file.write("203.0.113.300\n2001:db8::/32\n")
    fault = (await gateway.until_said("ban_line_unreadable"))[0]["fault"]
    assert "ips.txt, line 1: " in fault
    alerts = await until(
        lambda: house.rows("SELECT text, count FROM alerts WHERE cause LIKE 'files%'")
    )
    assert len(alerts) == 1
    assert fault in alerts[0][0]
    head = {"X-Forwarded-For": "2001:db8::9"}
    assert (await house.ask(someone(), "x@example.net", **head)).status == 403
    # Lifted by hand, as an editor does it.
    kept = (bans / "emails.txt").read_text().replace("@hand-1.example  # by hand\n", "")
    (bans / "emails.new").write_text(kept)
    (bans / "emails.new").replace(bans / "emails.txt")
    async with asyncio.timeout(LIMIT):
        while (await house.ask(someone(), "a@hand-1.example")).status != 200:
            await asyncio.sleep(0.02)
