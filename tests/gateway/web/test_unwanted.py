"""The page on which the owner of an address says that he wants no mail."""

import re
from typing import Any
from urllib.parse import urljoin

import pytest
from aiohttp.test_utils import TestServer
from playwright.async_api import Browser

from gateway.stories.registration import NotRecorded
from gateway.web.server import build
from tests.gateway.web.conftest import SEALED, FakeDesk, unexpected

PATH = f"/unwanted/{SEALED}"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_the_link_shows_a_button_and_does_nothing(
    client: Any, desk: FakeDesk, method: str
) -> None:
    answer = await client.request(method, PATH)
    text = await answer.text()
    assert answer.status == 200 and answer.headers["Cache-Control"] == "no-store"
    assert "script-src" not in answer.headers["Content-Security-Policy"]
    assert desk.pressed == []
    if method == "GET":
        assert '<form method="post">' in text and "I want no more mail" in text
        assert SEALED not in text and "<script" not in text


async def test_the_button_does_it(client: Any, desk: FakeDesk) -> None:
    answer = await client.post(PATH, headers={"Sec-Fetch-Site": "same-origin"})
    assert answer.status == 200 and "You get no more mail from here" in await answer.text()
    assert answer.headers["Cache-Control"] == "no-store"
    assert desk.pressed == [(SEALED, "127.0.0.1")]


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "multipart/form-data"])
async def test_a_mail_provider_does_it_with_one_click(
    open_door: Any, desk: FakeDesk, kind: str
) -> None:
    """As RFC 8058 (3.1) has it: without cookies and an origin, with this very body."""
    client = await open_door(public_url="https://desk.example.org", trusted_proxies=["127.0.0.1"])
    data: Any = {"List-Unsubscribe": "One-Click"}
    head = {"X-Forwarded-For": "198.51.100.7"}
    if kind.startswith("app"):
        data, head = "List-Unsubscribe=One-Click", head | {"Content-Type": kind}
    answer = await client.post(PATH, data=data, headers=head, allow_redirects=False)
    assert answer.status == 200
    assert desk.pressed == [(SEALED, "198.51.100.7")]


@pytest.mark.parametrize(
    "head", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}]
)
async def test_another_site_cannot_press_it(
    client: Any, desk: FakeDesk, head: dict[str, str]
) -> None:
    answer = await client.post(PATH, headers=head)
    assert answer.status == 403
    assert desk.pressed == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_forged_link_is_a_page_like_any_that_is_not_there(
    client: Any, desk: FakeDesk, method: str
) -> None:
    forged = await client.request(method, PATH[:-1] + "0")
    unknown = await client.request(method, "/unknown/page")
    assert forged.status == unknown.status == 404
    assert await forged.text() == await unknown.text()
    assert {**forged.headers, "Date": ""} == {**unknown.headers, "Date": ""}
    assert desk.pressed == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_cannot_be_written_down_is_not_told_as_done(
    client: Any, desk: FakeDesk, method: str
) -> None:
    desk.failure = NotRecorded("no")
    answer = await client.request(method, PATH)
    text = await answer.text()
    assert (answer.status, answer.headers["Retry-After"]) == (503, "30")
    assert "nothing is changed yet" in text and '<form method="post">' in text
    assert "You get no more mail" not in text


async def test_the_pages_find_their_style_also_below_a_folder(client: Any) -> None:
    text = await (await client.get(PATH)).text()
    style = re.search(r'rel="stylesheet" href="(.+)"', text)
    assert style
    url = urljoin(f"https://example.org/desk{PATH}", style[1])
    assert url.startswith("https://example.org/desk/static/porter-")
    assert (await client.get(url.removeprefix("https://example.org/desk"))).status == 200


async def test_a_fault_of_ours_leaves_no_link_in_the_log(
    client: Any, desk: FakeDesk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.failure = RuntimeError("boom")
    assert (await client.get(PATH)).status == 500
    said = capsys.readouterr().out
    assert "/unwanted/{sealed}" in said and SEALED.partition(".")[2] not in said


@pytest.mark.asyncio(loop_scope="module")
async def test_a_person_presses_it_in_a_browser(browser: Browser, make_settings: Any) -> None:
    desk = FakeDesk()
    async with TestServer(build(make_settings(), desk)) as server:
        page = await browser.new_page(viewport={"width": 720, "height": 860})
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        await page.goto(f"http://desk.test:{server.port}{PATH}")
        assert desk.pressed == []
        await page.get_by_role("button").click()
        await page.wait_for_selector("text=You get no more mail from here")
        assert desk.pressed == [(SEALED, "127.0.0.1")]
        assert unexpected(complaints) == []
        await page.close()
