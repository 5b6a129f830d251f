"""The mail catcher, written to by a real SMTP client and read by a real HTTP client."""

import smtplib
from asyncio import create_task, sleep, to_thread
from collections.abc import AsyncIterator
from email.message import EmailMessage

import aiohttp
import pytest

from bot.demo.mail_catcher import MailCatcher


@pytest.fixture
async def catcher() -> AsyncIterator[MailCatcher]:
    catcher = MailCatcher("127.0.0.1", 0, 0)
    await catcher.start()
    yield catcher
    await catcher.stop()


def deliver(catcher: MailCatcher, to: str, subject: str = "Hello", html: str = "<b>hi</b>") -> None:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = "desk@example.org", to, subject
    mail.set_content("plain words & <tags>")
    mail.add_alternative(html, subtype="html")
    with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
        client.send_message(mail)


async def test_a_mail_is_caught_whole(catcher: MailCatcher) -> None:
    await to_thread(deliver, catcher, "ann@example.org")
    (mail,) = catcher.messages
    assert (mail.number, mail.sender, mail.recipients) == (
        1,
        "desk@example.org",
        ("ann@example.org",),
    )
    assert mail.text.strip() == "plain words & <tags>"
    assert mail.html.strip() == "<b>hi</b>"


async def test_waiting_finds_the_next_mail_to_an_address(catcher: MailCatcher) -> None:
    await to_thread(deliver, catcher, "ann@example.org", "first")
    waiting = create_task(catcher.wait_for("Ann@example.org", after=1, timeout=5))
    await to_thread(deliver, catcher, "bob@example.org", "other")
    await sleep(0.05)
    assert not waiting.done()
    await to_thread(deliver, catcher, "ann@example.org", "second")
    assert (await waiting).subject == "second"
    with pytest.raises(TimeoutError, match=r"no mail to eve@example\.org within 0\.05 s"):
        await catcher.wait_for("eve@example.org", timeout=0.05)


async def test_the_page_shows_mails_and_lets_them_do_nothing(catcher: MailCatcher) -> None:
    evil = "<script>alert(1)</script>"
    await to_thread(deliver, catcher, "ann@example.org", f"Hi {evil}", f"<p>part</p>{evil}")
    async with aiohttp.ClientSession(catcher.url) as session:
        for path in ("/", "/mails/1"):
            async with session.get(path) as answer:
                text = await answer.text()
                assert answer.status == 200
                assert "&lt;script&gt;" in text and "<script" not in text
                policy = answer.headers["Content-Security-Policy"]
                assert "default-src 'none'" in policy and "script-src" not in policy
        assert "plain words &amp; &lt;tags&gt;" in text and "<iframe sandbox " in text
        async with session.get("/mails/1/html") as answer:
            assert "<p>part</p>" in await answer.text()
            assert answer.headers["Content-Security-Policy"].startswith(
                "sandbox; default-src 'none'"
            )
        async with session.get("/mails/1/raw") as answer:
            assert answer.content_type == "text/plain"
            assert "To: ann@example.org" in await answer.text()
        async with session.get("/mails/2") as answer:
            assert answer.status == 404


async def test_only_the_last_thousand_are_kept(catcher: MailCatcher) -> None:
    def many() -> None:
        with smtplib.SMTP("127.0.0.1", catcher.smtp_port) as client:
            for _ in range(1003):
                client.sendmail("d@example.org", ["ann@example.org"], b"Subject: x\r\n\r\n")

    await to_thread(many)
    assert len(catcher.messages) == 1000
    assert (catcher.messages[0].number, catcher.messages[-1].number) == (4, 1003)


async def test_a_taken_port_is_said_and_nothing_stays_open(catcher: MailCatcher) -> None:
    second = MailCatcher("127.0.0.1", 0, catcher.web_port)
    with pytest.raises(OSError, match="in use"):
        await second.start()
    with pytest.raises(ConnectionRefusedError):
        await to_thread(smtplib.SMTP, "127.0.0.1", second.smtp_port)
