"""The human check at the door: what stands on the page, what is asked, and what is passed on."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient

from gateway.rules.evidence import Evidence
from gateway.rules.opening import Opening
from gateway.rules.screening import Code, Refusal
from gateway.settings.settings import Settings
from gateway.web.server import build

JSON = {"Accept": "application/json"}
ANN = {"requested_username": "ann", "email": "ann@example.net"}
OpenDoor = Callable[..., Awaitable[TestClient]]


async def test_each_visitor_gets_a_token_of_his_own(open_door: OpenDoor) -> None:
    client = await open_door(human_check="light")
    for number in (1, 2):
        answer = await client.get("/")
        assert f'name="form_token" value="token-{number}"' in await answer.text()
        assert answer.headers["Cache-Control"] == "private, no-cache"
    told = await client.get("/", headers=JSON)
    assert (await told.json())["form_token"] == "token-3"
    assert told.headers["Cache-Control"] == "private, no-cache"


async def test_the_strict_desk_hands_out_no_token_and_says_that_it_needs_a_script(
    open_door: OpenDoor, desk: Any
) -> None:
    client = await open_door(human_check="strict")
    html = await (await client.get("/")).text()
    assert "form_token" not in html
    assert "<noscript><p" in html
    assert "form_token" not in await (await client.get("/", headers=JSON)).json()
    assert desk.handed_out == 0


async def test_the_script_may_run_on_the_page_with_the_form_alone(open_door: OpenDoor) -> None:
    client = await open_door(human_check="light")
    allowed = "; script-src 'self'; worker-src 'self'; connect-src 'self'"
    assert (await client.get("/")).headers["Content-Security-Policy"].endswith(allowed)
    for answer in (
        await client.get("/", headers=JSON),
        await client.get("/nothing"),
        await client.post("/register", data=ANN),
    ):
        assert "script-src" not in answer.headers["Content-Security-Policy"]


async def test_a_desk_that_asks_nothing_has_no_script(client: TestClient) -> None:
    html = await (await client.get("/")).text()
    for word in ("<script", "altcha", "comment", "data-solver"):
        assert word not in html
    assert (await client.get("/challenge")).status == 404


async def test_a_closed_desk_has_nothing_to_send(open_door: OpenDoor, desk: Any) -> None:
    client = await open_door(human_check="light")
    desk.state = Opening(False)
    assert "form_token" not in await (await client.get("/")).text()
    assert "form_token" not in await (await client.get("/", headers=JSON)).json()


async def test_a_challenge_is_made_for_whoever_asks_and_kept_by_nobody(
    open_door: OpenDoor,
) -> None:
    client = await open_door(human_check="light", trusted_proxies=["127.0.0.1"])
    answer = await client.get("/challenge", headers={"X-Forwarded-For": "203.0.113.7"})
    assert await answer.json() == {"for": "203.0.113.7"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert (await client.post("/challenge")).status == 405


@pytest.mark.parametrize("how", ["data", "json"])
async def test_what_comes_along_is_passed_on(open_door: OpenDoor, desk: Any, how: str) -> None:
    client = await open_door(human_check="light")
    more = {"altcha": "solved", "form_token": "token", "comment": "https://spam.example"}
    await client.post("/register", **{how: ANN | more})  # type: ignore[arg-type]
    assert desk.applications[0].evidence == Evidence("solved", "token", "https://spam.example")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (Code.PROOF_EXPIRED, "The page was open for too long."),
        (Code.PROOF_USED, "This form was sent already."),
        (Code.TOO_FAST, "That was faster than people type."),
        (Code.NOT_PROVEN, "Please use the form on this page."),
    ],
)
async def test_a_refused_form_comes_back_ready_to_be_sent(
    open_door: OpenDoor, desk: Any, code: Code, words: str
) -> None:
    desk.refusals = (Refusal(code, "x"), Refusal(Code.NAME_TAKEN, "x"))
    client = await open_door(human_check="light")
    answer = await client.post("/register", data=ANN)
    html = await answer.text()
    assert answer.status == 400
    assert words in html
    assert "taken" not in html  # who proves nothing learns nothing
    assert 'value="ann@example.net"' in html
    assert 'name="form_token" value="token-1"' in html
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    told = await (await client.post("/register", json=ANN)).json()
    assert [each["code"] for each in told["errors"]] == [code.value]
    assert told["errors"][0]["message"].startswith(words)


async def test_an_operators_page_without_the_check_is_found_at_start(
    tmp_path: Path, make_settings: Callable[..., Settings], desk: Any
) -> None:
    (tmp_path / "desk.html").write_text('<form method="post" action="register"></form>')
    with pytest.raises(ValueError, match=r"needs the line \{% include 'human.html' %\}"):
        build(make_settings(human_check="light", templates=tmp_path), desk)
    build(make_settings(human_check="off", templates=tmp_path), desk)
