"""The token mail, as a mail reader would take it apart."""

import re
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path
from typing import Any

import pytest

from gateway.mail.compose import NOTICES, Composer

NOW = datetime(2026, 11, 24, 16, 20, 30, tzinfo=UTC)
TOKEN = "Hh7xWqPzR4mKtYbNcVfDgS2e"


def composer(**changes: Any) -> Composer:
    settings: dict[str, Any] = {
        "server_name": "example.org",
        "sender": "The desk <desk@example.org>",
        "subject": "Your registration token for {homeserver}",
        "public_url": "https://register.example.org",
        "homeserver_url": "https://matrix.example.org",
    }
    return Composer(**(settings | changes))


def mail_of(desk: Composer, **changes: Any) -> EmailMessage:
    values: dict[str, Any] = {
        "to": "ann@example.net",
        "name": "ann",
        "token": TOKEN,
        "now": NOW,
        "expires_at": NOW + timedelta(hours=3, minutes=41),
        "message_id": "<17.1@example.org>",
        "language": "en",
    }
    sent = desk.token_mail(**(values | changes))
    return message_from_bytes(sent.as_bytes(), _class=EmailMessage, policy=SMTP)


def part(mail: EmailMessage, kind: str) -> str:
    body = mail.get_body((kind,))
    assert body is not None
    return str(body.get_content())


LINK = f"https://example.org/_continuwuity/account/register/?flow=trusted&token={TOKEN}"


def test_a_mail_with_an_invite_link_leads_there_and_still_tells_the_token() -> None:
    mail = mail_of(composer(), link=LINK)
    text, html = part(mail, "plain"), part(mail, "html")
    assert f"\r\n    {TOKEN}\r\n" in text and f"\r\n    {LINK}\r\n" in text
    assert f'href="{LINK.replace("&", "&amp;")}"' in html and f"<code>{TOKEN}</code>" in html
    assert "How to use it:" not in text


def test_a_mail_without_a_link_speaks_of_no_page() -> None:
    mail = mail_of(composer())
    assert "filled in" not in part(mail, "plain") + part(mail, "html")
    assert "How to use it:" in part(mail, "plain")


UNWANTED = "https://register.example.org/unwanted/17.0123456789abcdef0123456789abcdef"
FAR = f"https://{'a-long-name.' * 9}example.org/behind/a/folder/unwanted/17.{'0' * 32}"


def every_mail(desk: Composer, **changes: Any) -> list[EmailMessage]:
    """As they arrive, read by the standard library's oldest parser, which undoes no encoding."""
    common: dict[str, Any] = {
        "to": "ann@example.net",
        "name": "ann",
        "now": NOW,
        "message_id": "<17.1@example.org>",
    }
    sent = [desk.token_mail(token=TOKEN, expires_at=None, **common, **changes)]
    sent += [desk.notice(kind, **common, **changes) for kind in NOTICES]
    return [message_from_bytes(each.as_bytes(policy=SMTP)) for each in sent]


@pytest.mark.parametrize("link", [UNWANTED, FAR])
def test_each_mail_says_how_to_get_no_more_in_words_and_for_programs(link: str) -> None:
    found = every_mail(composer(), unwanted_link=link)
    assert len(found) == 1 + len(NOTICES)
    for mail in found:
        assert mail.get_all("List-Unsubscribe") == [f"<{link}>"]
        assert mail.get_all("List-Unsubscribe-Post") == ["List-Unsubscribe=One-Click"]
        text, html = (each.get_payload(decode=True).decode() for each in mail.get_payload())
        assert text.rstrip().endswith(f"\r\n    {link}")
        assert html.count(f'href="{link}"') == 1
        assert link not in text.replace(f"\r\n    {link}\r\n", "")


@pytest.mark.parametrize("link", ["http://localhost:8090/unwanted/1.0", "https://gemüse.org/1.0"])
def test_a_link_that_no_program_may_call_stands_in_the_words_alone(link: str) -> None:
    for mail in every_mail(composer(), unwanted_link=link):
        assert mail["List-Unsubscribe"] is mail["List-Unsubscribe-Post"] is None
        text = mail.get_payload()[0].get_payload(decode=True).decode()
        assert text.rstrip().endswith(link)


def test_without_a_link_nothing_is_said_of_it() -> None:
    for mail in every_mail(composer(public_url=None)):
        assert mail["List-Unsubscribe"] is mail["List-Unsubscribe-Post"] is None
        assert b"no more mail" not in mail.as_bytes()


def test_an_operators_template_may_hold_the_way_to_no_more_mail(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("{registration_token} {unwanted_link}.\n")
    (tmp_path / "taken.txt").write_text("{unwanted_link}!\n")
    desk = composer(templates=tmp_path)
    token, taken, *_ = every_mail(desk, unwanted_link=UNWANTED)
    assert f"{TOKEN} {UNWANTED}." in token.get_payload(decode=True).decode()
    assert f"{UNWANTED}!" in taken.get_payload(decode=True).decode()


def test_an_operators_template_may_hold_the_link(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("{registration_token} {registration_link}.\n")
    desk = composer(templates=tmp_path)
    assert part(mail_of(desk, link=LINK), "plain").strip() == f"{TOKEN} {LINK}."
    assert part(mail_of(desk), "plain").strip() == f"{TOKEN} ."


def test_the_headers_say_who_writes_and_that_a_machine_does() -> None:
    mail = mail_of(composer())
    assert mail["From"] == "The desk <desk@example.org>"
    assert mail["To"] == "ann@example.net"
    assert mail["Subject"] == "Your registration token for example.org"
    assert mail["Date"] == "Tue, 24 Nov 2026 16:20:30 +0000"
    assert mail["Message-ID"] == "<17.1@example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_both_parts_tell_all_an_applicant_needs(kind: str) -> None:
    text = part(mail_of(composer()), kind)
    for word in (
        TOKEN,
        "example.org",
        "@ann:example.org",
        "https://matrix.example.org",
        "https://register.example.org",
        "2026-11-24 20:01 UTC",
        "3 hours and 41 minutes",
    ):
        assert word in text
    assert "{" not in re.sub(r"(?s)<style>.*</style>", "", text)


def test_the_token_stands_in_no_address_and_no_header() -> None:
    mail = mail_of(composer())
    for kind in ("plain", "html"):
        text = part(mail, kind)
        assert text.count(TOKEN) == 1
        assert not re.search(rf"https?://[^\s\"<]*{TOKEN}", text)
    assert not any(TOKEN in value for value in mail.values())


def test_a_token_without_an_end_and_a_desk_without_a_page() -> None:
    mail = mail_of(composer(public_url=None), expires_at=None)
    for kind in ("plain", "html"):
        text = part(mail, kind)
        assert TOKEN in text
        assert "None" not in text and "works until" not in text and "The page" not in text


@pytest.mark.parametrize(
    ("left", "words"),
    [
        (timedelta(days=1, hours=2, minutes=3), "1 day and 2 hours"),
        (timedelta(days=7), "7 days"),
        (timedelta(minutes=1, seconds=59), "1 minute"),
        (timedelta(hours=1, seconds=1), "1 hour"),
        (timedelta(seconds=-5), "less than a minute"),
    ],
)
def test_time_left_reads_as_people_say_it(left: timedelta, words: str, tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text("<{time_until_reset}>{registration_token}")
    assert f"<{words}>" in part(
        mail_of(composer(templates=tmp_path), expires_at=NOW + left), "plain"
    )


@pytest.mark.parametrize(
    "to",
    [
        "ann@example.net, eve@example.net",
        "ann@example.net\r\nBcc: eve@example.net",
        "ann@example.net\nBcc: eve@example.net",
        "ann@example.net\x00",
        "ann@example.net\u2028Bcc: eve@example.net",
        "Ann <ann@example.net>",
        "group: ann@example.net;",
        "ann@example.net,eve@example.net",
        "(eve@example.net)ann@example.net",
        "ann@",
        "@example.net",
        "ann",
        "",
    ],
)
def test_what_is_not_one_address_gets_no_mail(to: str) -> None:
    with pytest.raises(ValueError, match="not one e-mail address"):
        mail_of(composer(), to=to)


@pytest.mark.parametrize("field", ["message_id", "language"])
def test_no_value_breaks_a_header(field: str) -> None:
    try:
        mail = mail_of(composer(), **{field: "<x@y>\r\nBcc: eve@example.net"})
    except ValueError:
        return
    assert mail["Bcc"] is None


def test_a_name_is_escaped_in_html() -> None:
    html = part(mail_of(composer(), name="<script>alert(1)</script>"), "html")
    assert "<script>" not in html and "&lt;script&gt;" in html


def test_an_international_domain_goes_out_in_its_ascii_form() -> None:
    assert mail_of(composer(), to="ann@straße.de")["To"] == "ann@xn--strae-oqa.de"


def test_an_operators_words_with_the_placeholders_of_the_older_system(tmp_path: Path) -> None:
    (tmp_path / "token.txt").write_text(
        "{requested_username} at {homeserver}: {registration_token}\n"
        "{{ registration_token }} {utc_time} {time_until_reset} {unrelated}\n"
    )
    mail = mail_of(composer(templates=tmp_path))
    assert mail.get_content_type() == "text/plain"  # not his text beside our HTML
    assert mail.get_content().splitlines() == [
        f"ann at example.org: {TOKEN}",
        f"{TOKEN} 2026-11-24 16:20 UTC 3 hours and 41 minutes {{unrelated}}",
    ]
    (tmp_path / "token.html").write_text("<p>{requested_username} <b>{registration_token}</b>")
    html = part(mail_of(composer(templates=tmp_path), name="<i>"), "html")
    assert html.strip() == f"<p>&lt;i&gt; <b>{TOKEN}</b>"


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        ("{{ registration_tokne }}", "registration_tokne"),
        ("line\n{% if %}", "token.txt, line 2"),
        ("{% include 'missing.txt' %}", "missing.txt"),
    ],
)
def test_a_broken_template_is_found_at_start(tmp_path: Path, template: str, problem: str) -> None:
    (tmp_path / "token.txt").write_text(template)
    with pytest.raises(ValueError, match=f"template cannot be used: .*{problem}"):
        composer(templates=tmp_path)


def test_a_missing_folder_of_templates_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not exist"):
        composer(templates=tmp_path / "absent")


def test_the_words_come_from_the_language_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Loud:
        def gettext(self, message: str) -> str:
            return re.sub(r"%\(\w+\)s|.", lambda m: m[0] if m[0][1:] else m[0].upper(), message)

        def ngettext(self, one: str, many: str, count: int) -> str:
            return "%(num)d STUNDEN" if count > 1 else one

    asked = []

    def speech(language: str) -> Loud:
        asked.append(language)
        return Loud()

    (tmp_path / "token.txt").write_text("{{ _('hello') }} {{ time_until_reset }}")
    monkeypatch.setattr("gateway.words.speech", speech)
    desk = composer(templates=tmp_path)
    assert part(mail_of(desk, language="de"), "plain").strip() == "HELLO 3 STUNDEN AND 41 STUNDEN"
    assert asked[-1] == "de"


def test_a_taken_name_is_told_without_a_token(tmp_path: Path) -> None:
    desk = composer()
    mail = desk.notice("taken", to="ann@example.net", name="<b>", now=NOW, message_id="<a@b>")
    assert mail["Subject"] == "Your account request at example.org"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "this name is taken" in part(mail, "plain")
    assert "user name <b>." in part(mail, "plain")
    assert "<code>&lt;b&gt;</code>" in part(mail, "html")
    assert "https://register.example.org" in part(mail, "plain")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("review", "A person will look at your request."),
        (
            "rejected",
            "The people of this server have looked at your request, and did not grant it.",
        ),
    ],
)
def test_what_became_of_a_look_is_told_without_a_token(kind: Any, said: str) -> None:
    mail = composer().notice(kind, to="ann@example.net", name="<b>", now=NOW, message_id="<a@b>")
    assert mail["Subject"] == "Your account request at example.org"
    for words in (part(mail, "plain"), part(mail, "html")):
        assert said in " ".join(words.split())
        assert "ignore this mail" in words
    assert "user name <b>." in part(mail, "plain")
    assert "<code>&lt;b&gt;</code>" in part(mail, "html")


@pytest.mark.parametrize("name", ["taken", "review", "rejected", "restricted"])
def test_a_broken_template_of_a_notice_is_found_at_start(tmp_path: Path, name: str) -> None:
    (tmp_path / f"{name}.txt").write_text("{registration_token}")
    with pytest.raises(ValueError, match="'registration_token' is undefined"):
        composer(templates=tmp_path)


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("deactivated", "nobody can log in to it any more"),
        ("suspended", "you can read, and send nothing"),
        ("locked", "you cannot use it until they unlock it"),
        ("freed", "you can use it as before"),
    ],
)
def test_what_became_of_an_account_is_told_with_the_reason(kind: Any, said: str) -> None:
    to = {"to": "ann@example.net", "name": "ann", "now": NOW, "message_id": "<a@b>"}
    mail = composer().notice(kind, **to, reason="it <sent> spam")
    assert mail["Subject"] == "Your account at example.org"
    for text in (part(mail, "plain"), part(mail, "html")):
        assert said in " ".join(text.split())
        assert "@ann:example.org" in text
    assert "it <sent> spam" in part(mail, "plain")
    assert "it &lt;sent&gt; spam" in part(mail, "html")
    silent = composer().notice(kind, **to)
    for text in (part(silent, "plain"), part(silent, "html")):
        assert "why" not in text and "None" not in text


def test_every_notice_has_its_words() -> None:
    for kind in NOTICES:
        mail = composer().notice(
            kind, to="ann@example.net", name="ann", now=NOW, message_id="<a@b>"
        )
        assert "ann" in part(mail, "plain")


def test_an_operators_words_for_a_taken_name_stand_alone(tmp_path: Path) -> None:
    (tmp_path / "taken.txt").write_text("{requested_username} at {homeserver} is gone")
    desk = composer(templates=tmp_path)
    mail = desk.notice("taken", to="ann@example.net", name="ann", now=NOW, message_id="<a@b>")
    assert part(mail, "plain").strip() == "ann at example.org is gone"
    assert mail.get_body(("html",)) is None
