"""GET /: open or closed, until when, and ready to hand out."""

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.rules.opening import Opening

JSON = {"Accept": "application/json"}
REOPENS = datetime(2026, 11, 25, 0, 0, tzinfo=UTC)


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub(r"<[^>]*>", " ", html)).split())


async def test_an_open_desk_says_until_when_and_shows_the_form(client: TestClient) -> None:
    answer = await client.get("/")
    html = await answer.text()
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "Registration is open. It will close in 3 hours and 41 minutes at 23:25 UTC." in html
    assert '<form method="post" action="register"' in html
    assert 'name="requested_username"' in html
    assert 'name="email"' in html
    assert '<html lang="en">' in html
    assert "<script" not in html
    assert "style=" not in html


async def test_a_closed_desk_says_when_it_reopens_and_has_no_form(
    client: TestClient, desk: Any
) -> None:
    desk.state = Opening(False, REOPENS, "Back <soon> & rested")
    html = await (await client.get("/")).text()
    assert "Registration is closed. It reopens in 4 hours and 16 minutes at 00:00 UTC." in html
    assert "Back &lt;soon&gt; &amp; rested" in html
    assert "<form" not in html


@pytest.mark.parametrize(
    ("is_open", "text"), [(True, "Registration is open."), (False, "Registration is closed.")]
)
async def test_nobody_knows_until_when(
    is_open: bool, text: str, client: TestClient, desk: Any
) -> None:
    desk.state = Opening(is_open)
    html = await (await client.get("/")).text()
    assert text in html
    assert "UTC" not in html


@pytest.mark.parametrize(
    ("is_open", "text"),
    [
        (True, "It will close in 6 days and 1 hour, on 2026-11-30 at 21:00 UTC."),
        (False, "It reopens in 6 days and 1 hour, on 2026-11-30 at 21:00 UTC."),
    ],
)
async def test_far_ahead_it_names_the_day(
    is_open: bool, text: str, client: TestClient, desk: Any
) -> None:
    desk.state = Opening(is_open, datetime(2026, 11, 30, 21, 0, tzinfo=UTC))
    assert text in await (await client.get("/")).text()


async def test_a_message_is_for_a_closed_desk_only(client: TestClient, desk: Any) -> None:
    desk.state = Opening(True, None, "moving house")
    assert "moving house" not in await (await client.get("/")).text()
    assert (await (await client.get("/", headers=JSON)).json())["message"] is None


async def test_json_for_machines(client: TestClient, desk: Any) -> None:
    answer = await client.get("/", headers=JSON)
    assert answer.status == 200
    assert answer.content_type == "application/json"
    assert await answer.json() == {
        "open": True,
        "changes_at": "2026-11-24T23:25:00+00:00",
        "message": None,
        "server_name": "example.org",
        "human_check": "off",
    }
    desk.state = Opening(False, None, "moving house")
    assert await (await client.get("/", headers=JSON)).json() == {
        "open": False,
        "changes_at": None,
        "message": "moving house",
        "server_name": "example.org",
        "human_check": "off",
    }


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("", "text/html"),
        ("*/*", "text/html"),
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", "text/html"),
        ("application/json, text/plain, */*", "application/json"),
        ("application/json;q=0.5, text/html", "text/html"),
        ("text/html;q=0.5, application/json", "application/json"),
        ("application/json;q=x", "text/html"),
        ("image/png", "text/html"),
    ],
)
async def test_the_client_chooses(accept: str, kind: str, client: TestClient) -> None:
    answer = await client.get("/", headers={"Accept": accept})
    assert answer.content_type == kind


async def test_the_page_is_written_once_a_minute_and_anew_when_the_desk_changes(
    client: TestClient, desk: Any, clock: Any
) -> None:
    first = await (await client.get("/")).text()
    clock.now += timedelta(seconds=29)
    assert await (await client.get("/")).text() == first
    clock.now += timedelta(seconds=1)
    assert "3 hours and 40 minutes" in await (await client.get("/")).text()
    desk.state = Opening(False, REOPENS)
    assert "4 hours and 15 minutes" in await (await client.get("/")).text()


async def test_the_rendered_page_is_kept(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await (await client.get("/")).read()
    monkeypatch.setattr("gateway.web.pages.Pages.desk", None)  # a second rendering would fail
    assert await (await client.get("/")).read() == first


async def test_security_headers(client: TestClient) -> None:
    for path in ("/", "/register", "/nothing", "/healthz", "/readyz", "/api/time", "/favicon.ico"):
        headers = (await client.get(path, allow_redirects=False)).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"], path
        assert headers["X-Content-Type-Options"] == "nosniff", path
        assert headers["Referrer-Policy"] == "same-origin", path
        assert headers["Cross-Origin-Opener-Policy"] == "same-origin", path
        assert headers["Server"] == "Porter", path
    policy = (await client.get("/")).headers["Content-Security-Policy"]
    for rule in ("form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'"):
        assert rule in policy


async def test_caches_ask_again_and_keep_the_two_kinds_apart(client: TestClient) -> None:
    headers = (await client.get("/")).headers
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Vary"] == "Accept, Accept-Language"


async def test_head_has_no_body(client: TestClient) -> None:
    answer = await client.head("/")
    assert answer.status == 200
    assert int(answer.headers["Content-Length"]) > 1000
    assert await answer.read() == b""


async def test_the_time(client: TestClient) -> None:
    answer = await client.get("/api/time")
    assert await answer.json() == {"utc_time": "19:44:30"}
    assert answer.headers["Cache-Control"] == "no-store"


async def test_health(client: TestClient) -> None:
    answer = await client.get("/healthz")
    assert (answer.status, await answer.text()) == (200, "ok")


async def test_readiness_tells_this_machine_why(client: TestClient, desk: Any) -> None:
    answer = await client.get("/readyz")
    assert (answer.status, await answer.json()) == (200, {"ready": True, "count": 0, "faults": []})
    desk.problems = ["The disk is full"]
    answer = await client.get("/readyz")
    assert answer.status == 503
    assert await answer.json() == {"ready": False, "count": 1, "faults": ["The disk is full"]}


@pytest.mark.parametrize("trusted", [[], ["127.0.0.0/8"]])
async def test_readiness_tells_others_only_how_many(
    trusted: list[str], open_door: Callable[..., Awaitable[TestClient]], desk: Any
) -> None:
    client = await open_door(trusted_proxies=trusted)
    desk.problems = ["The disk is full"]
    answer = await client.get("/readyz", headers={"X-Forwarded-For": "203.0.113.5"})
    assert (answer.status, await answer.json()) == (503, {"ready": False, "count": 1})


async def test_a_missing_page_is_a_page_of_ours(client: TestClient) -> None:
    answer = await client.get("/a/b/<script>")
    html = await answer.text()
    assert answer.status == 404
    assert "There is no page at this address." in words_of(html)
    assert '<a href="../../">' in html
    assert re.search(r'href="../../static/porter-\w+\.css"', html)
    assert "<script" not in html
    answer = await client.get("/nothing", headers=JSON)
    assert answer.status == 404
    assert (await answer.json())["errors"][0]["code"] == "http_404"


async def test_a_wrong_method_names_the_right_ones(client: TestClient) -> None:
    answer = await client.post("/")
    assert answer.status == 405
    assert "GET" in answer.headers["Allow"]
    assert "This address cannot be used in this way." in words_of(await answer.text())


async def test_a_bookmark_of_the_answer_leads_to_the_form(client: TestClient) -> None:
    answer = await client.get("/register")
    assert answer.status == 200
    assert answer.url.path == "/"
