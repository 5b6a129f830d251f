"""The page and the form beside bare aiohttp, in turns: a noisy machine is noisy for both."""

import asyncio
import statistics
import tempfile
import time
import urllib.request
from datetime import timedelta
from pathlib import Path
from urllib.error import URLError

from bot.demo.ports import free_port
from gateway.clock import utc_now
from gateway.store.keyring import Keyring
from gateway.stories.human import form_token
from tests.bench.load import Load, get, post, put_under_load
from tests.bench.servers import porter, running

ROUNDS = 5
GETS, POSTS = 8000, 2000  # requests in one round
CONNECTIONS = 64
STEADY = 500  # requests a second that fall due whatever the answers take

CONFIG = """
server_name: bench.example
state: state
bans: bans
web: {{port: {web}, trusted_proxies: [127.0.0.1]}}
homeserver: {{kind: token_file, url: "http://127.0.0.1:{homeserver}", token_file: token}}
tokens: {{mode: shared}}
smtp: {{host: 127.0.0.1, port: {smtp}, security: none, from: p@bench.example}}
registration:
  limits: {{email: null, domain: null, ipv4: null, network: null, all: null, unproven: null}}
"""


def measure() -> list[tuple[str, str]]:
    """The rows of the table. Asserts that every request was answered with 200."""
    with (
        tempfile.TemporaryDirectory() as folder,
        running("homeserver") as homeserver,
        running("smtp") as smtp,
    ):
        port = free_port()
        config = Path(folder, "config.yaml")
        config.write_text(CONFIG.format(web=port, homeserver=homeserver, smtp=smtp))
        with porter(config, "gateway"):
            page = _fetch(f"http://127.0.0.1:{port}/")
            keyring = Keyring(Path(folder, "state", "keys"))
            with running("bare", page) as bare:
                return asyncio.run(_compare(bare, port, keyring))


def _fetch(url: str) -> bytes:
    request = urllib.request.Request(url, headers={"Accept": "text/html"})
    for _ in range(200):
        try:
            with urllib.request.urlopen(request) as answer:
                return bytes(answer.read())
        except URLError:
            time.sleep(0.1)
    raise RuntimeError("the gateway did not start")


async def _compare(bare: int, desk: int, keyring: Keyring) -> list[tuple[str, str]]:
    pages: list[tuple[Load, Load]] = []
    challenges: list[Load] = []
    forms: list[tuple[Load, Load]] = []
    for _ in range(ROUNDS):
        load = [get("/")] * GETS
        pages.append(
            (
                await put_under_load(bare, load, CONNECTIONS),
                await put_under_load(desk, load, CONNECTIONS),
            )
        )
        challenges.append(await put_under_load(desk, [get("/challenge")] * POSTS, CONNECTIONS))
    for turn in range(ROUNDS):
        load = [_applicant(turn * POSTS + number, keyring) for number in range(POSTS)]
        forms.append(
            (
                await put_under_load(bare, load, CONNECTIONS),
                await put_under_load(desk, load, CONNECTIONS),
            )
        )
    load = [_applicant(ROUNDS * POSTS + number, keyring) for number in range(STEADY * 5)]
    steady = await put_under_load(desk, load, CONNECTIONS, STEADY)
    for ours in [each for _, each in (*pages, *forms)] + [*challenges, steady]:
        assert ours.statuses == {200}, f"the desk answered {sorted(ours.statuses)}"
    return [
        *_rows("GET /", pages, "50 %"),
        (
            "GET /challenge, the strain counted and one try made",
            f"{statistics.median(each.rate for each in challenges):,.0f} a second,"
            f" p99 {statistics.median(each.p99 for each in challenges):.1f} ms",
        ),
        *_rows("POST /register, accepted and durable", forms, "15 %"),
        (
            f"  p99 at {CONNECTIONS} connections, mails taking 200 ms each (goal: under 50 ms)",
            f"{statistics.median(ours.p99 for _, ours in forms):.1f} ms"
            f" (bare aiohttp {statistics.median(bare.p99 for bare, _ in forms):.1f} ms),"
            f" median {statistics.median(ours.median for _, ours in forms):.1f} ms",
        ),
        (
            f"  p99 at {CONNECTIONS} connections when {STEADY} requests a second come in",
            f"{steady.p99:.1f} ms, median {steady.median:.1f} ms",
        ),
    ]


def _applicant(number: int, keyring: Keyring) -> bytes:
    """One who looked at the page for a while, and has no script."""
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    token = form_token.make(keyring, utc_now() - timedelta(minutes=1))
    return post(f"name{number}", f"mail{number}@example.net", ip, token)


def _rows(title: str, rounds: list[tuple[Load, Load]], goal: str) -> list[tuple[str, str]]:
    ratios = sorted(ours.rate / bare.rate for bare, ours in rounds)
    rates = (
        statistics.median(ours.rate for _, ours in rounds),
        statistics.median(bare.rate for bare, _ in rounds),
    )
    return [
        (
            f"{title} against bare aiohttp (goal: at least {goal})",
            f"{statistics.median(ratios):.0%} ({ratios[0]:.0%} to {ratios[-1]:.0%};"
            f" {rates[0]:,.0f} against {rates[1]:,.0f} a second)",
        )
    ]
