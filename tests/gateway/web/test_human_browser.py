"""The human check in a real browser, on a real desk: with a script, without one, and in between."""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, Page

from bot.demo.ports import free_port
from gateway.app import open_desk
from gateway.desk import Desk
from gateway.settings.settings import Settings
from gateway.store import registrations
from gateway.store.registrations import Registration
from gateway.web.server import WebServer
from tests.gateway.web.conftest import unexpected

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="module")]

OpenPage = Callable[..., Any]


class Clock:
    """The machine's time, until it is stopped or turned by hand."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        self._stopped_at: datetime | None = None

    def __call__(self) -> datetime:
        return (self._stopped_at or datetime.now(UTC)) + self._ahead

    def stop(self) -> None:
        self._stopped_at = datetime.now(UTC)

    def turn(self, **span: float) -> None:
        self._ahead += timedelta(**span)


class Counter:
    """A real desk with its page, and its clock."""

    def __init__(self, desk: Desk, server: WebServer, clock: Clock) -> None:
        self.desk, self.url, self.clock = desk, server.url, clock

    async def rows(self) -> list[Registration]:
        return await self.desk.database.read(lambda c: [*registrations.every(c)])

    async def told(self) -> list[tuple[str, str | None]]:
        """What became of each request, and by which proof."""
        return [(row.status.value, row.proof) for row in await self.rows()]

    async def reasons(self) -> list[str]:
        return [each["code"] for row in await self.rows() for each in row.refusals]


@pytest_asyncio.fixture(loop_scope="module")
async def open_counter(make_settings: Callable[..., Settings]) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def open_it(mode: str, **web: Any) -> Counter:
            clock = Clock()
            settings = make_settings(human_check=mode, port=free_port(), **web)
            desk = await stack.enter_async_context(open_desk(settings, clock))
            server = WebServer(settings, desk)
            await server.start()
            stack.push_async_callback(server.stop)
            return Counter(desk, server, clock)

        yield open_it


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Browser) -> AsyncIterator[OpenPage]:
    """Pages of one browser each; whatever it complains of fails the test."""
    complaints: list[str] = []
    async with AsyncExitStack() as stack:

        async def open_it(**options: Any) -> Page:
            context = await browser.new_context(viewport={"width": 390, "height": 844}, **options)
            stack.push_async_callback(context.close)
            page = await context.new_page()
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            return page

        yield open_it
    assert unexpected(complaints) == []


async def solved(page: Page) -> None:
    """Wait until the solution stands in the form."""
    await page.locator("[name=altcha]:not([value=''])").wait_for(state="attached")


async def send(page: Page, name: str) -> str:
    """Fill the form in and press the button; the headline of the answer."""
    await page.fill("#requested_username", name)
    await page.fill("#email", f"{name}@example.net")
    async with page.expect_navigation():
        await page.click("button")
    return await page.locator("h1").inner_text()


@pytest.mark.parametrize("mode", ["light", "strict"])
async def test_a_script_solves_it_without_a_click(
    mode: str, open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter(mode)
    page = await open_page()
    await page.goto(counter.url)
    await solved(page)
    assert await page.locator("#checking").inner_text() == ""  # nobody had to wait
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.told() == [("pending", "work")]


async def test_the_button_may_be_pressed_before_it_is_solved(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    held: list[Any] = []

    async def hold(route: Any) -> None:
        held.append(route)

    await page.route("**/challenge", hold)
    await page.goto(counter.url)
    await page.fill("#requested_username", "ann")
    await page.fill("#email", "ann@example.net")
    await page.click("button")
    words = page.get_by_role("status")
    await words.get_by_text("One moment").wait_for()
    await page.click("button")  # the impatient press it twice
    async with page.expect_navigation():
        await held[0].continue_()
    assert await page.locator("h1").inner_text() == "Check your inbox"
    assert await counter.told() == [("pending", "work")]


async def test_two_clicks_are_one_request(open_counter: Any, open_page: OpenPage) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.goto(counter.url)
    await solved(page)
    gone = await page.evaluate(
        """() => {
          let gone = 0;
          document.forms[0].addEventListener('submit', event => {
            if (!event.defaultPrevented) gone += 1;
            event.preventDefault();
          });
          for (let n = 0; n < 3; n += 1) document.querySelector('button').click();
          return gone;
        }"""
    )
    assert gone == 1


async def test_without_a_script_the_form_is_enough_after_a_moment(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("light")
    counter.clock.stop()  # the machine may be slower than a person
    page = await open_page(java_script_enabled=False)
    await page.goto(counter.url)
    await send(page, "ann")
    assert "faster than people type" in await page.get_by_role("alert").inner_text()
    counter.clock.turn(seconds=2)
    async with page.expect_navigation():
        await page.click("button")  # what was typed is still there
    assert await page.locator("h1").inner_text() == "Check your inbox"
    assert await counter.told() == [("refused", None), ("pending", "form")]


async def test_the_strict_page_says_that_it_needs_a_script(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page(java_script_enabled=False)
    await page.goto(counter.url)
    assert await page.locator("noscript p").is_visible()
    counter.clock.turn(seconds=5)
    await send(page, "ann")
    assert "with JavaScript switched on" in await page.get_by_role("alert").inner_text()
    assert await counter.told() == [("refused", None)]


async def test_over_plain_http_under_another_name_the_form_is_enough(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("light")
    page = await open_page()
    await page.goto(counter.url.replace("127.0.0.1", "desk.test"))
    counter.clock.turn(seconds=2)
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.told() == [("pending", "form")]


async def test_over_plain_http_the_strict_page_says_what_is_missing(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.goto(counter.url.replace("127.0.0.1", "desk.test"))
    assert "https://" in await page.get_by_role("status").inner_text()


@pytest.mark.parametrize("broken", ["**/challenge", "**/solver-*.js", "**/human-*.js"])
async def test_where_the_script_fails_the_button_still_works(
    broken: str, open_counter: Any, browser: Browser
) -> None:
    counter = await open_counter("light")
    page = await browser.new_page()  # which complains of what is broken
    await page.route(broken, lambda route: route.abort())
    await page.goto(counter.url)
    counter.clock.turn(seconds=2)
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.told() == [("pending", "form")]
    await page.close()


async def test_a_page_that_stood_open_solves_another_challenge(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.clock.install()
    await page.goto(counter.url)
    await solved(page)
    counter.clock.turn(minutes=11)
    await page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=11))
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.told() == [("pending", "work")]


async def test_what_was_used_in_one_tab_is_used_in_the_other(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    first = await open_page()
    second = await first.context.new_page()
    for page in (first, second):
        await page.goto(counter.url)
        await solved(page)
    solution = await first.evaluate("document.forms[0].elements.altcha.value")
    await second.evaluate("text => { document.forms[0].elements.altcha.value = text }", solution)
    assert await send(first, "ann") == "Check your inbox"
    await send(second, "bob")
    assert "sent already" in await second.get_by_role("alert").inner_text()
    # The answer solved another one meanwhile, so that he need not begin anew.
    async with second.expect_navigation():
        await second.click("button")
    assert await second.locator("h1").inner_text() == "Check your inbox"
    assert await counter.told() == [("pending", "work"), ("refused", None), ("pending", "work")]


async def test_going_back_to_the_form_solves_another_challenge(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.goto(counter.url)
    assert await send(page, "ann") == "Check your inbox"
    await page.go_back()
    assert await send(page, "bob") == "Check your inbox"
    assert await counter.told() == [("pending", "work"), ("pending", "work")]


async def test_a_page_out_of_the_browsers_memory_solves_another_challenge(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.goto(counter.url)
    await solved(page)
    # As Chromium announces it; a browser that is driven from outside keeps no pages.
    async with page.expect_request("**/challenge"):
        await page.evaluate(
            "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
        )
    assert await send(page, "ann") == "Check your inbox"


async def test_nobody_sees_the_bait_and_a_robot_takes_it(
    open_counter: Any, open_page: OpenPage
) -> None:
    counter = await open_counter("strict")
    page = await open_page()
    await page.goto(counter.url)
    assert "comment" not in await page.locator("form").aria_snapshot()
    box = await page.locator(".bait").bounding_box()
    assert box is not None and max(box["width"], box["height"]) <= 1
    await page.evaluate("document.getElementById('comment').value = 'https://spam.example'")
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.reasons() == ["bait_taken"]


async def test_it_works_below_a_folder(open_counter: Any, open_page: OpenPage) -> None:
    counter = await open_counter("strict")
    port = free_port()

    async def pass_on(request: web.Request) -> web.Response:
        """A proxy that serves the desk below /join/."""
        url = counter.url + request.path.removeprefix("/join")
        kept = {
            key: request.headers[key] for key in ("Accept", "Content-Type") & request.headers.keys()
        }
        async with (
            aiohttp.ClientSession() as session,
            session.request(request.method, url, data=await request.read(), headers=kept) as answer,
        ):
            head = {key: value for key, value in answer.headers.items() if key != "Content-Length"}
            return web.Response(status=answer.status, headers=head, body=await answer.read())

    app = web.Application()
    app.router.add_route("*", "/join/{path:.*}", pass_on)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    page = await open_page()
    await page.goto(f"http://127.0.0.1:{port}/join/")
    assert await send(page, "ann") == "Check your inbox"
    assert await counter.told() == [("pending", "work")]
    await runner.cleanup()
