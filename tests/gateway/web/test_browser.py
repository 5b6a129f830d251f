"""The pages in a real browser: by keyboard, on a small screen, in the light and in the dark."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, Request

from bot.demo.ports import free_port
from gateway.rules.opening import Opening
from gateway.rules.screening import Code, Refusal
from gateway.settings.settings import Settings
from gateway.web.server import WebServer
from tests.gateway.web.conftest import unexpected

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

MALFORMED = (Refusal(Code.NAME_MALFORMED, "x"), Refusal(Code.EMAIL_MALFORMED, "x"))
# WCAG 2.2: the contrast of a text with the first opaque ground behind it.
CONTRASTS = """() => {
  const numbers = text => text.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim());
    if (!own && element.tagName !== 'INPUT') continue;
    const pair = [numbers(getComputedStyle(element).color), ground(element)].map(light);
    const ratio = (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
    found.push([element.outerHTML.slice(0, 80), ratio]);
  }
  return found;
}"""


@pytest_asyncio.fixture(loop_scope="module")
async def server(desk: Any, make_settings: Callable[..., Settings]) -> AsyncIterator[WebServer]:
    desk.state = Opening(True, datetime.now(UTC) + timedelta(hours=3))
    server = WebServer(make_settings(port=free_port()), desk)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture(loop_scope="module")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page of a browser that may run no script; it fails the test for any complaint of its."""
    context = await browser.new_context(
        java_script_enabled=False, viewport={"width": 390, "height": 844}
    )
    page = await context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("requestfailed", lambda request: complaints.append(request.url))
    yield page
    await context.close()
    assert unexpected(complaints) == []


async def fill_by_keyboard(page: Page, name: str, email: str) -> None:
    for _ in range(5):
        await page.keyboard.press("Tab")
        if await page.locator("#requested_username:focus").count():
            break
    await page.keyboard.type(name)
    await page.keyboard.press("Tab")
    await page.keyboard.type(email)
    await page.keyboard.press("Tab")
    assert await page.locator("button:focus").count() == 1
    async with page.expect_navigation():
        await page.keyboard.press("Enter")


async def test_an_account_is_asked_for_by_keyboard_alone(
    page: Page, server: WebServer, desk: Any
) -> None:
    await page.goto(server.url)
    await fill_by_keyboard(page, "ann", "ann@example.net")
    assert await page.locator("h1").inner_text() == "Check your inbox"
    [application] = desk.applications
    assert (application.name, application.email) == ("ann", "ann@example.net")
    await page.get_by_role("link", name="Back to the desk").click()
    assert await page.get_by_role("textbox", name="User name").count() == 1


async def test_a_refused_form_is_mended_where_it_is_wrong(
    page: Page, server: WebServer, desk: Any
) -> None:
    desk.refusals = MALFORMED
    await page.goto(server.url)
    await fill_by_keyboard(page, 'Ä "nn" <b>', "nobody")
    name = page.get_by_role("textbox", name="User name")
    assert await name.input_value() == 'Ä "nn" <b>'
    assert await page.get_by_role("textbox", name="E-mail address").input_value() == "nobody"
    assert await page.locator("#requested_username:focus").count() == 1
    assert "This user name cannot be used." in await page.get_by_role("alert").inner_text()
    snapshot = await page.locator("form").aria_snapshot()
    assert "This user name cannot be used." in snapshot
    desk.refusals = ()
    await page.keyboard.press("Control+A")
    await page.keyboard.type("ann")
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    assert await page.locator("h1").inner_text() == "Check your inbox"
    assert [each.name for each in desk.applications] == ['Ä "nn" <b>', "ann"]


async def test_a_refusal_without_a_field_has_the_focus(
    page: Page, server: WebServer, desk: Any
) -> None:
    desk.refusals = (Refusal(Code.NETWORK_BANNED, "x"),)
    await page.goto(server.url)
    await fill_by_keyboard(page, "ann", "ann@example.net")
    assert await page.locator("[role=alert]:focus").count() == 1


async def test_our_form_works_over_plain_http_under_another_name(
    page: Page, server: WebServer, desk: Any
) -> None:
    sent: list[Request] = []
    page.on("request", lambda request: sent.append(request))
    url = server.url.replace("127.0.0.1", "desk.test")
    await page.goto(url)
    await fill_by_keyboard(page, "ann", "ann@example.net")
    headers = await next(each for each in sent if each.method == "POST").all_headers()
    assert headers["origin"] == url
    assert "sec-fetch-site" not in headers
    assert await page.locator("h1").inner_text() == "Check your inbox"
    assert len(desk.applications) == 1


async def test_another_sites_form_is_refused(page: Page, server: WebServer, desk: Any) -> None:
    evil = f'<form method="post" action="{server.url}/register"><button>Win</button></form>'
    await page.route(
        "http://desk.test/**", lambda route: route.fulfill(body=evil, content_type="text/html")
    )
    await page.goto("http://desk.test/")
    async with page.expect_navigation():
        await page.get_by_role("button").click()
    assert await page.locator("h1").inner_text() == "Sent from another site"
    assert desk.applications == []


@pytest.mark.parametrize("server_name", ["example.org", "a-rather-long-name." * 6 + "example.org"])
async def test_nothing_scrolls_sideways_on_a_small_screen(
    server_name: str, browser: Browser, desk: Any, make_settings: Callable[..., Settings]
) -> None:
    server = WebServer(make_settings(server_name, port=free_port()), desk)
    await server.start()
    page = await browser.new_page(viewport={"width": 320, "height": 640})
    desk.refusals = MALFORMED
    for path in ("/", "/nothing"):
        await page.goto(server.url + path)
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width == 320, path
    await page.goto(server.url)
    await page.fill("#requested_username", "w" * 250)
    await page.click("button")
    await page.wait_for_selector("[role=alert]")
    assert await page.evaluate("document.documentElement.scrollWidth") == 320
    field = await page.locator("#requested_username").bounding_box()
    assert field is not None
    assert field["width"] > 100  # there is room to type beside the server's name
    await page.close()
    await server.stop()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_stands_out_from_its_ground(
    scheme: Any, browser: Browser, server: WebServer, desk: Any
) -> None:
    page = await browser.new_page(color_scheme=scheme)

    async def check(least: int) -> None:
        found = await page.evaluate(CONTRASTS)
        assert len(found) >= least
        assert [each for each in found if each[1] < 4.5] == []

    await page.goto(server.url)
    ground = await page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(251, 241, 199)", "dark": "rgb(29, 32, 33)"}[scheme]
    await check(12)
    desk.refusals = MALFORMED
    await page.click("button")
    await page.wait_for_selector("[role=alert]")
    await check(12)
    desk.refusals = ()
    await page.click("button")
    await page.wait_for_selector("text=Check your inbox")
    await check(8)
    desk.is_looked_at = True
    await page.goto(server.url)
    await page.click("button")
    await page.wait_for_selector("h1:has-text('A person will look at your request')")
    await check(8)
    desk.state = Opening(False, None, "moving house")
    await page.goto(server.url)
    await check(5)
    await page.close()


async def test_the_focus_is_seen(browser: Browser, server: WebServer) -> None:
    page = await browser.new_page()
    await page.goto(server.url)
    for selector, framed in (("#requested_username", ".name"), ("#email", "#email")):
        await page.focus(selector)
        style = await page.evaluate(
            "each => getComputedStyle(document.querySelector(each)).outlineStyle", framed
        )
        assert style == "solid"
    await page.close()


async def test_the_browser_is_told_to_refuse_scripts(browser: Browser, server: WebServer) -> None:
    page = await browser.new_page()
    await page.goto(server.url)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    await page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.broken = true';
          document.body.append(script);
        }"""
    )
    assert await page.evaluate("window.broken === undefined")
    assert any("Content Security Policy" in each for each in complaints)
    await page.close()
