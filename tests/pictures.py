"""`make pictures`: takes README's pictures anew from a running demo, in a headless Chromium.

The room is shown as a Matrix client shows it: the messages' own HTML, under their senders' names.
"""

import asyncio
import html
import os
import tempfile
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from bot.demo.demo import Demo
from bot.demo.mail_catcher import MailCatcher
from bot.room.member import Member
from gateway.settings import Settings

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "bot" / "demo" / "pictures"
SIZE = {"width": 720, "height": 860}
SHOWN = ("ban email", "registrations", "token rotate", "status")  # of all commands in the room
STYLE = """
body { margin: 0; padding: 18px 22px; background: #282828; color: #ebdbb2;
  font: 14px/1.45 sans-serif; }
article { margin: 0 0 14px; } b { color: #83a598; } .porter b { color: #fe8019; }
p { margin: 2px 0 0; } code { background: #1d2021; padding: 0 3px; border-radius: 3px; }
.porter p { border-left: 3px solid #504945; padding-left: 9px; }
"""


class Pictures(Demo):
    """The demo, with a photographer after the tour."""

    async def _walk(self, settings: Settings, catcher: MailCatcher, moderator: Member) -> None:
        said: list[tuple[str, str]] = []
        note = moderator._note

        def listen(event: Any) -> None:
            content = event.source.get("content", {})
            if content.get("msgtype") in ("m.text", "m.notice"):
                words = content.get("formatted_body") or html.escape(content["body"])
                said.append((event.sender, words))
            note(event)

        moderator._note = listen  # type: ignore[method-assign]
        await super()._walk(settings, catcher, moderator)
        await moderator.ask("!porter status")
        await asyncio.sleep(2)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=os.environ["PORTER_TEST_CHROMIUM"], args=["--no-sandbox"]
            )
            url = f"http://127.0.0.1:{settings.web.port}/"
            await _take(browser, "page", url)
            with tempfile.TemporaryDirectory() as folder:
                room = Path(folder, "room.html")
                room.write_text(_room(said))
                await _take(browser, "room", room.as_uri())
            await browser.close()


def _room(said: list[tuple[str, str]]) -> str:
    """The messages that show most, as a client shows them."""
    shown, wanted = [], False
    for sender, words in said:
        is_porter = sender.startswith("@porter:")
        if not is_porter:
            wanted = any(f"!porter {command}" in words for command in SHOWN)
        if wanted or (is_porter and "Burst" in words and not words.startswith("* ")):
            name = "Porter" if is_porter else "Moderator"
            kind = "porter" if is_porter else "person"
            opened = words.replace("<details>", "<details open>")
            shown.append(f'<article class="{kind}"><b>{name}</b><p>{opened}</p></article>')
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{"".join(shown)}'


async def _take(browser: Browser, name: str, url: str) -> None:
    page = await browser.new_page(viewport=SIZE, device_scale_factor=1)
    await page.goto(url)
    PICTURES.mkdir(exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png")
    await page.close()


if __name__ == "__main__":
    asyncio.run(Pictures(ROOT / "config.yaml").run(tour_only=True))
