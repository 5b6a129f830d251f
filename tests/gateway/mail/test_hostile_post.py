"""A mail server that goes wrong at any step, in any way, and what a mail suffers from it."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.policy import SMTPUTF8
from pathlib import Path
from typing import Any

import pytest
import trustme

from gateway.mail.delivery import DeliveryError, Mailer
from tests.stand_ins.hostile_post import STEPS, WAYS, Fault, HostilePost

AUTHORITY = trustme.CA()
PASSWORD = "s3cret-of-the-post"
LIMIT = 2.0  # seconds for one mail

Open = Callable[..., Any]


def letter(to: str = "ann@example.net") -> EmailMessage:
    mail = EmailMessage(policy=SMTPUTF8)
    mail["From"], mail["To"], mail["Subject"] = "desk@example.org", to, "Hello"
    mail["Message-ID"] = "<one@example.org>"
    mail.set_content("Your token\n.\n.. with dots\n" + "x" * 200 + "\n")
    return mail


def sockets() -> int:
    """How many sockets this process has open."""
    links = [each.readlink() for each in Path("/proc/self/fd").iterdir() if each.is_symlink()]
    return sum(str(each).startswith("socket:") for each in links)


@pytest.fixture
async def meet(tmp_path: Path) -> AsyncIterator[Open]:
    """Makes servers, each with a mailer that knows it."""
    AUTHORITY.cert_pem.write_to_path(tmp_path / "ca.pem")
    made: list[tuple[HostilePost, Mailer]] = []

    async def meet(utf8: bool = False, **changes: Any) -> tuple[HostilePost, Mailer]:
        post = HostilePost(AUTHORITY, PASSWORD, utf8=utf8)
        await post.start()
        settings: dict[str, Any] = {
            "host": "localhost",
            "port": post.port,
            "security": "starttls",
            "username": "porter",
            "password": PASSWORD,
            "sender": "The desk <desk@example.org>",
            "timeout": timedelta(seconds=LIMIT),
            "connections": 2,
            "ca_file": tmp_path / "ca.pem",
        }
        made.append((post, Mailer(**(settings | changes))))
        return made[-1]

    yield meet
    for post, mailer in made:
        await mailer.close()
        await post.stop()
    await asyncio.sleep(0.02)


async def refused(mailer: Mailer, mail: EmailMessage | None = None) -> DeliveryError:
    with pytest.raises(DeliveryError) as caught:
        await mailer.send(mail or letter())
    said = str(caught.value)
    assert said.isprintable() and len(said) < 300 and PASSWORD not in said
    return caught.value


async def test_at_every_step_every_fault_ends_in_time_and_the_next_mail_arrives(meet: Open) -> None:
    async def suffer(step: str, way: str) -> None:
        post, mailer = await meet()
        post.faults.append(Fault(step, way))
        began = time.monotonic()
        refusal = await refused(mailer)
        assert time.monotonic() - began < LIMIT + 2, (step, way)
        assert not refusal.permanent, (step, way, str(refusal))
        await mailer.send(letter())
        assert len(post.mails) == (2 if step == "dot" else 1), (step, way)
        assert post.passwords in ([PASSWORD], [PASSWORD] * 2)

    await asyncio.gather(*(suffer(step, way) for step in STEPS for way in WAYS))


async def test_no_socket_is_left_whatever_the_server_does(meet: Open) -> None:
    """One that never hangs up keeps none of ours open, not even until TLS has taken its leave."""
    faults = [Fault(step, way) for step in STEPS for way in ("silence", "garbage", "busy")]
    faults += [Fault("auth", "say", "535 5.7.8 no"), Fault("handshake", "silence")]

    async def suffer(fault: Fault) -> HostilePost:
        post, mailer = await meet(timeout=timedelta(seconds=0.5))
        post.usual = fault
        for _ in range(2):
            await refused(mailer)
        assert post.connections == 2
        return post

    before = sockets()
    posts = await asyncio.gather(*map(suffer, faults))
    await asyncio.sleep(0.05)
    theirs = sum(1 + len(post.open) for post in posts)
    assert sockets() - before == theirs


async def test_checks_keep_no_connection_for_ever(meet: Open, monkeypatch: Any) -> None:
    monkeypatch.setattr("gateway.mail.delivery._REUSE_WITHIN", 0.01)
    post, mailer = await meet()
    for _ in range(5):
        await mailer.check()
        await asyncio.sleep(0.02)
    assert len(post.open) <= 1


async def test_a_refusal_is_heard_although_the_server_then_falls_silent(
    meet: Open, monkeypatch: Any
) -> None:
    monkeypatch.setattr("gateway.mail.delivery._GOODBYE", 0.1)
    post, mailer = await meet()
    post.faults.append(Fault("rset", "silence"))
    post.usual = Fault("rcpt", "say", "550 5.1.1 no such mailbox")
    post.faults.clear()
    assert (await refused(mailer)).permanent


async def test_what_comes_in_plain_before_the_handshake_is_not_believed(meet: Open) -> None:
    post, mailer = await meet()
    injected = "220 go ahead\n250-evil.test\n250 SMTPUTF8\n535 5.7.8 no"
    post.faults.append(Fault("starttls", "say", injected))
    assert (await refused(mailer, letter("jürgen@example.net"))).permanent
    await mailer.send(letter())
    assert len(post.mails) == 1 and post.connections == 1


@pytest.mark.parametrize("flaw", ["other name", "other authority", "over"])
async def test_a_wrong_certificate_gets_no_password(meet: Open, flaw: str) -> None:
    post, mailer = await meet()
    wrong = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority = trustme.CA() if flaw == "other authority" else AUTHORITY
    name = "elsewhere.test" if flaw == "other name" else "localhost"
    over = datetime(2020, 1, 1, tzinfo=UTC) if flaw == "over" else None
    authority.issue_cert(name, not_after=over).configure_cert(wrong)
    right, post.context = post.context, wrong
    refusal = await refused(mailer)
    assert "ertificate" in str(refusal) and not refusal.permanent
    assert post.passwords == [] and post.mails == []
    post.context = right
    await mailer.send(letter())
    assert len(post.mails) == 1


async def test_a_host_that_is_no_name_is_our_fault_and_not_the_mails(meet: Open) -> None:
    _, mailer = await meet(host="mail..example.org")
    assert not (await refused(mailer)).permanent


async def test_a_connection_on_which_mails_are_put_off_is_not_kept(meet: Open) -> None:
    """One of several servers behind a name may be sick, and the next connection meet another."""
    post, mailer = await meet()
    post.faults.append(Fault("rcpt", "say", "451 4.3.0 something is broken here"))
    assert not (await refused(mailer)).permanent
    await mailer.send(letter())
    assert post.connections == 2
