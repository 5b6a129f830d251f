"""POST /register: each answer in its status, for people and for machines."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import FormData
from aiohttp.test_utils import TestClient
from markupsafe import escape

from gateway.rules.opening import Opening
from gateway.rules.pace import Pace
from gateway.rules.screening import FIELDS, Code, Refusal
from gateway.stories.registration import NotRecorded
from gateway.web.wording import STATUS

JSON = {"Accept": "application/json"}
TYPED = {"requested_username": "ann", "email": "ann@example.net"}
SECRET = "matched line 7 of the list"


def tag(html: str, name: str) -> str:
    found = re.search(rf'<input id="{name}"[^>]*>', html)
    assert found is not None
    return found[0]


def refusal(code: Code, **more: Any) -> Refusal:
    return Refusal(code, SECRET, **more)


async def test_accepted(client: TestClient, desk: Any) -> None:
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 200
    assert "Check your inbox" in html
    assert "spam folder" in html
    other = {"requested_username": "bob", "email": "bob@example.net"}
    assert await (await client.post("/register", data=other)).text() == html
    assert answer.headers["Cache-Control"] == "no-store"
    application = desk.applications[0]
    assert (application.name, application.email) == ("ann", "ann@example.net")
    assert application.ip == ip_address("127.0.0.1")
    assert application.language == "en"


async def test_accepted_in_json(client: TestClient) -> None:
    answer = await client.post("/register", data=TYPED, headers=JSON)
    assert answer.status == 200
    data = await answer.json()
    assert data["status"] == "accepted"
    assert "Check your inbox" in data["message"]


@pytest.mark.parametrize(
    ("pace", "words"),
    [
        (Pace(), "It may take a few minutes."),
        (Pace(20), "At present it takes about 20 minutes."),
        (Pace(90), "At present it takes about 1 hour and 30 minutes."),
        (
            Pace(is_held_up=True),
            "Mails are held up at present: yours will come as soon as possible.",
        ),
    ],
)
async def test_the_page_tells_how_long_mails_take_to_everybody_alike(
    client: TestClient, desk: Any, pace: Pace, words: str
) -> None:
    desk.mail_pace = pace
    first = await (await client.post("/register", data=TYPED)).text()
    assert f"is on its way. {words}</p>" in first
    other = {"requested_username": "bob", "email": "bob@example.net"}
    assert await (await client.post("/register", data=other)).text() == first
    data = await (await client.post("/register", data=TYPED, headers=JSON)).json()
    assert f"is on its way. {words} If you cannot find it" in data["message"]


async def test_a_request_that_a_person_looks_at(client: TestClient, desk: Any) -> None:
    desk.is_looked_at = True
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 200
    assert "<h1>A person will look at your request</h1>" in html
    assert "Check your inbox" not in html
    other = {"requested_username": "bob", "email": "bob@example.net"}
    assert await (await client.post("/register", data=other)).text() == html
    assert answer.headers["Cache-Control"] == "no-store"
    answer = await client.post("/register", data=TYPED, headers=JSON)
    assert answer.status == 200
    data = await answer.json()
    assert data["status"] == "accepted"
    assert "A person will look at your request" in data["message"]


@pytest.mark.parametrize("code", list(Code))
async def test_every_refusal_has_its_status(code: Code, client: TestClient, desk: Any) -> None:
    desk.refusals = (refusal(code),)
    if code is Code.CLOSED:
        desk.state = Opening(False)
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == STATUS[code]
    assert SECRET not in html
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) == (answer.status in (429, 503))

    answer = await client.post("/register", data=TYPED, headers=JSON)
    data = await answer.json()
    assert answer.status == STATUS[code]
    assert data["status"] == "refused"
    [error] = data["errors"]
    assert (error["code"], error["field"]) == (code.value, FIELDS.get(code))
    assert error["message"]
    assert SECRET not in error["message"]
    if "Retry-After" in answer.headers:
        assert data["retry_after"] == int(answer.headers["Retry-After"])
    else:
        assert "retry_after" not in data


def test_the_statuses() -> None:
    assert STATUS[Code.CLOSED] == 503
    assert STATUS[Code.TOO_MANY_IN_ALL] == STATUS[Code.TOO_MANY_FROM_NETWORK] == 429
    assert STATUS[Code.NAME_MALFORMED] == STATUS[Code.EMAIL_MALFORMED] == 422
    assert STATUS[Code.NETWORK_BANNED] == STATUS[Code.EMAIL_BANNED] == STATUS[Code.NAME_BANNED]
    assert STATUS[Code.NAME_BANNED] == 403
    assert STATUS[Code.EMAIL_ELSEWHERE] == STATUS[Code.EMAIL_THROWAWAY] == 403
    assert STATUS[Code.NAME_HELD] == STATUS[Code.NAME_TAKEN] == 409


async def test_a_refused_form_keeps_what_was_typed_and_says_it_at_the_field(
    client: TestClient, desk: Any
) -> None:
    desk.refusals = (refusal(Code.NAME_TAKEN),)
    html = await (await client.post("/register", data=TYPED)).text()
    name, email = tag(html, "requested_username"), tag(html, "email")
    assert 'value="ann"' in name
    assert 'aria-invalid="true"' in name
    assert 'aria-describedby="requested_username-fault requested_username-hint"' in name
    assert " autofocus" in name
    assert 'value="ann@example.net"' in email
    assert "aria-invalid" not in email
    assert " autofocus" not in email
    assert 'id="requested_username-fault">This user name is taken.' in html
    assert 'role="alert"' in html
    assert "<title>Error: " in html


async def test_both_malformed_fields_are_told_at_once(client: TestClient, desk: Any) -> None:
    desk.refusals = (
        refusal(Code.EMAIL_MALFORMED, hint="No <at> sign."),
        refusal(Code.NAME_MALFORMED),
        refusal(Code.NETWORK_BANNED),
    )
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 422
    assert 'id="email-fault">No &lt;at&gt; sign.</p>' in html
    assert 'id="requested_username-fault">This user name cannot be used.</p>' in html
    assert html.count(" autofocus") == 1
    assert " autofocus" in tag(html, "requested_username")
    assert "network" not in html
    data = await (await client.post("/register", data=TYPED, headers=JSON)).json()
    assert [error["code"] for error in data["errors"]] == ["name_malformed", "email_malformed"]
    assert data["errors"][1]["message"] == "No <at> sign."


@pytest.mark.parametrize("code", [Code.EMAIL_ELSEWHERE, Code.EMAIL_THROWAWAY])
async def test_an_unwelcome_domain_is_told_at_the_field_and_no_list_is_shown(
    client: TestClient, desk: Any, code: Code
) -> None:
    desk.refusals = (Refusal(code, "school.example"),)
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 403
    assert 'id="email-fault">Please use ' in html
    assert "school.example" not in html


async def test_the_earlier_reason_wins(client: TestClient, desk: Any) -> None:
    desk.refusals = (refusal(Code.NAME_TAKEN), refusal(Code.EMAIL_BANNED))
    answer = await client.post("/register", data=TYPED)
    assert answer.status == 403
    assert "is taken" not in await answer.text()


async def test_a_reason_without_a_field_takes_the_focus_itself(
    client: TestClient, desk: Any
) -> None:
    desk.refusals = (refusal(Code.NETWORK_BANNED),)
    html = await (await client.post("/register", data=TYPED)).text()
    assert re.search(r'<div class="complaints" role="alert"[^>]* tabindex="-1" autofocus>', html)
    assert 'value="ann"' in tag(html, "requested_username")


async def test_too_many_says_when_to_come_back(client: TestClient, desk: Any) -> None:
    pause = timedelta(minutes=5, milliseconds=1)
    desk.refusals = (refusal(Code.TOO_MANY_IN_ALL, retry_after=pause),)
    answer = await client.post("/register", data=TYPED)
    assert (answer.status, answer.headers["Retry-After"]) == (429, "301")


async def test_closed_says_when_it_reopens(client: TestClient, desk: Any, clock: Any) -> None:
    desk.refusals = (refusal(Code.CLOSED),)
    desk.state = Opening(False, clock.now + timedelta(minutes=31))
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "1860")
    assert "Registration is closed. It reopens in 31 minutes" in html
    assert "<form" not in html


async def test_closed_this_very_moment(client: TestClient, desk: Any) -> None:
    desk.refusals = (refusal(Code.CLOSED),)
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 503
    assert int(answer.headers["Retry-After"]) > 0
    assert "Registration is closed." in html
    assert "<form" not in html


async def test_not_recorded(client: TestClient, desk: Any) -> None:
    desk.failure = NotRecorded("disk full at /secret")
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert "could not be written down" in html
    assert "/secret" not in html
    assert 'value="ann@example.net"' in tag(html, "email")
    data = await (await client.post("/register", data=TYPED, headers=JSON)).json()
    assert data["retry_after"] == 30
    assert data["errors"][0]["code"] == "not_recorded"


async def test_our_own_fault_has_a_number_and_no_traceback(
    client: TestClient, desk: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.failure = RuntimeError("secret")
    answer = await client.post("/register", data=TYPED)
    html = await answer.text()
    assert answer.status == 500
    assert "secret" not in html
    found = re.search(r"<code>([0-9a-f]{8})</code>", html)
    assert found is not None
    assert found[1] in capsys.readouterr().out
    answer = await client.post("/register", data=TYPED, headers=JSON)
    assert answer.status == 500
    assert re.fullmatch("[0-9a-f]{8}", (await answer.json())["reference"])


@pytest.mark.parametrize(
    "attempt",
    [
        '"><script>alert(1)</script>',
        "' onfocus='alert(1)' autofocus='",
        "{{ 7 * 7 }}{% raw %}",
        "</title><img src=x onerror=alert(1)>",
        "%(num)s %s {0}",
    ],
)
async def test_what_was_typed_stays_text(attempt: str, client: TestClient, desk: Any) -> None:
    desk.refusals = (
        refusal(Code.NAME_MALFORMED, hint=attempt),
        refusal(Code.EMAIL_MALFORMED, hint=attempt),
    )
    typed = {"requested_username": attempt, "email": attempt}
    html = await (await client.post("/register", data=typed)).text()
    assert "<script" not in html
    assert "<img src=x" not in html
    for name in ("requested_username", "email"):
        assert f'value="{escape(attempt)}"' in tag(html, name)
        assert f'id="{name}-fault">{escape(attempt)}</p>' in html
        assert 'aria-invalid="true"' in tag(html, name)
    assert desk.applications[0].name == attempt
    assert desk.applications[0].email == attempt


async def test_multipart_and_json_are_forms_too(client: TestClient, desk: Any) -> None:
    form = FormData(TYPED, default_to_multipart=True)
    assert (await client.post("/register", data=form)).status == 200
    answer = await client.post("/register", json=TYPED)
    assert answer.content_type == "application/json"
    assert {(each.name, each.email) for each in desk.applications} == {("ann", "ann@example.net")}
    assert len(desk.applications) == 2


async def test_a_body_too_large_is_not_read(client: TestClient, desk: Any) -> None:
    answer = await client.post("/register", data={"email": "x" * 17_000})
    assert answer.status == 413
    assert "larger than any form" in await answer.text()
    assert desk.applications == []


async def test_what_is_no_form(client: TestClient, desk: Any) -> None:
    answer = await client.post("/register", data=b"x", headers={"Content-Type": "text/plain"})
    assert answer.status == 415
    answer = await client.post("/register", data=b"{", headers={"Content-Type": "application/json"})
    assert answer.status == 400
    assert (await answer.json())["errors"][0]["code"] == "http_400"
    assert desk.applications == []


async def test_a_body_that_never_arrives(
    client: TestClient, desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.web.door._BODY_TIME", 0.05)
    reader, writer = await asyncio.open_connection(client.host, client.port)
    writer.write(
        b"POST /register HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n"
        b"Content-Type: application/x-www-form-urlencoded\r\n\r\nemail="
    )
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert b"\r\nConnection: close\r\n" in head
    writer.close()
    await writer.wait_closed()
    assert desk.applications == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://desk.example.org"}, 200),
    ],
)
async def test_other_sites_cannot_post(
    headers: dict[str, str],
    status: int,
    open_door: Callable[..., Awaitable[TestClient]],
    desk: Any,
) -> None:
    client = await open_door(public_url="https://desk.example.org")
    answer = await client.post("/register", data=TYPED, headers=headers)
    assert answer.status == status
    assert len(desk.applications) == (1 if status == 200 else 0)
    answer = await client.post("/register", data=TYPED, headers=headers | JSON)
    assert answer.status == status
    assert (await answer.json())["status"] == ("accepted" if status == 200 else "refused")


async def test_the_client_behind_our_proxy(
    open_door: Callable[..., Awaitable[TestClient]], desk: Any
) -> None:
    client = await open_door(trusted_proxies=["127.0.0.1/32"])
    headers = {"X-Forwarded-For": "198.51.100.1, ::ffff:203.0.113.5"}
    await client.post("/register", data=TYPED, headers=headers)
    assert desk.applications[0].ip == ip_address("203.0.113.5")


async def test_a_stranger_cannot_name_his_address(client: TestClient, desk: Any) -> None:
    await client.post("/register", data=TYPED, headers={"X-Forwarded-For": "203.0.113.5"})
    assert desk.applications[0].ip == ip_address("127.0.0.1")
