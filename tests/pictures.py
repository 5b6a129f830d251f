"""`make pictures`: takes README's pictures anew from a running demo, in a headless Chromium.

The room is shown as a Matrix client shows it: the messages' own HTML, under their senders' names.
"""

import asyncio
import html
import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from playwright.async_api import Browser, async_playwright

from bot.demo.demo import Demo
from bot.demo.mail_catcher import MailCatcher
from bot.room.member import Member
from gateway.settings.settings import Settings

ROOT = Path(__file__).parent.parent
PICTURES = ROOT / "bot" / "demo" / "pictures"
SIZE = {"width": 720, "height": 860}
SHOWN = ("ban ip 127", "status")  # of all commands in the room
NEWS = ("Request 8,", "requests from the network")  # and of what the bot says by itself
# Signs that any font has, for those that clients show in colours.
SIGNS = {
    "✅": '<span class="yes">✔</span>',
    "❌": '<span class="no">✘</span>',
    "🚫": '<span class="no">⊘</span>',
    "⏸️": "❚❚",
    "❓": "?",
    "🔇": "<s>♪</s>",
}
STYLE = """
body { margin: 0; padding: 18px 22px; background: #282828; color: #ebdbb2;
  font: 14px/1.45 sans-serif; }
article { margin: 0 0 14px; } b { color: #83a598; } .porter b { color: #fe8019; }
div { margin: 2px 0 0; } code { background: #1d2021; padding: 0 3px; border-radius: 3px; }
.porter div { border-left: 3px solid #504945; padding-left: 9px; }
i { display: inline-block; margin: 4px 6px 0 0; padding: 0 8px; border-radius: 10px;
  background: #3c3836; font-style: normal; }
table { border-collapse: collapse; margin: 4px 0; }
.yes { color: #b8bb26; } .no { color: #fb4934; }
th, td { border: 1px solid #504945; padding: 1px 7px; text-align: left; }
"""


class Pictures(Demo):
    """The demo, with a photographer after the tour."""

    async def _walk(self, settings: Settings, catcher: MailCatcher, moderator: Member) -> None:
        said: dict[str, Said] = {}
        note = moderator._note

        def listen(event: Any) -> None:
            _listen(said, event)
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


@dataclass(slots=True)
class Said:
    """A message as it stands after its edits, what it answers, and the reactions under it."""

    sender: str
    words: str
    to: str | None
    reactions: Counter[str] = field(default_factory=Counter)


def _listen(said: dict[str, Said], event: Any) -> None:
    content = event.source.get("content", {})
    relation = content.get("m.relates_to", {})
    if relation.get("rel_type") == "m.annotation":
        if target := said.get(relation["event_id"]):
            target.reactions[relation["key"]] += 1
    elif relation.get("rel_type") == "m.replace":
        if target := said.get(relation["event_id"]):
            target.words = _words(content["m.new_content"])
    elif content.get("msgtype") in ("m.text", "m.notice"):
        to = relation.get("m.in_reply_to", {}).get("event_id")
        said[event.event_id] = Said(event.sender, _words(content), to)


def _words(content: dict[str, Any]) -> str:
    return str(content.get("formatted_body") or html.escape(content["body"]))


def _room(said: dict[str, Said]) -> str:
    """The messages that show most, as a client shows them."""
    asked = {
        event_id
        for event_id, each in said.items()
        if any(f"!porter {command}" in each.words for command in SHOWN)
    }
    shown = [
        _article(each)
        for event_id, each in said.items()
        if event_id in asked or each.to in asked or any(text in each.words for text in NEWS)
    ]
    body = "".join(shown)
    for sign, plain in SIGNS.items():
        body = body.replace(sign, plain)
    return f'<!doctype html><meta charset="utf-8"><style>{STYLE}</style>{body}'


def _article(each: Said) -> str:
    is_porter = each.sender.startswith("@porter:")
    name, kind = ("Porter", "porter") if is_porter else ("Moderator", "person")
    words = each.words.replace("<details>", "<details open>")
    keys = "".join(f"<i>{key} {count}</i>" for key, count in each.reactions.items())
    return f'<article class="{kind}"><b>{name}</b><div>{words}</div>{keys}</article>'


async def _take(browser: Browser, name: str, url: str) -> None:
    page = await browser.new_page(viewport=SIZE, device_scale_factor=1)
    await page.goto(url)
    PICTURES.mkdir(exist_ok=True)
    await page.screenshot(path=PICTURES / f"{name}.png")
    await page.close()


if __name__ == "__main__":
    asyncio.run(Pictures(ROOT / "config.yaml").run(tour_only=True))
